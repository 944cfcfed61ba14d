public import Bytes

/// Checks that bytes are well-formed BSON.
public enum BSONValidator {
    /// How much is asked.
    public enum Strictness: Sendable {
        /// What every server guarantees of stored documents: framing, types, lengths, terminators, booleans of 0 or 1, depth.
        /// Servers store strings and names that are not UTF-8, so that is not damage.
        case server
        /// What the BSON specification asks: as `server`, and all text is well-formed UTF-8, and the inner length of binary subtype 2 fits.
        case specification
    }

    /// Levels of nesting that are accepted, the document itself being the first. Servers accept 200 (`BSONDepth`), at most 250 by parameter.
    public static let depthMax = 256

    /// Checks that `document` is exactly one well-formed document.
    ///
    /// - Throws: `.corrupt`, or `.limit` for a document nested deeper than `depthMax`, with the offset.
    public static func validate(
        _ document: RawSpan, strictness: Strictness = .specification, depthMax: Int = depthMax
    ) throws(CairnError) {
        try walk(document, depth: depthMax)
    }

    static func walk(_ document: RawSpan, depth: Int) throws(CairnError) {
        guard depth > 0 else { throw CairnError(.limit, "too deep") }
        var elements = try DocumentView(document).makeElements()
        while let element = try elements.next() {
            if element.type == .document || element.type == .array { try walk(element.value, depth: depth - 1) }
        }
    }
}
