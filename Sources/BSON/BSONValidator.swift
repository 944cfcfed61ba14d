public import Bytes

/// Checks that bytes are well-formed BSON, in one pass and without allocating.
///
/// What is checked: lengths and terminators of documents, arrays, strings, code with scope; known types only; values
/// that end inside their document; booleans of 0 or 1; the depth. Accepted as valid, because servers store them:
/// duplicate and empty names, array keys of any text, any binary subtype, any regular expression.
///
/// Callers choose the strictness, there is no default: for bytes of a deployment `.server` is right, for what is
/// written by hand `.specification`.
public enum BSONValidator {
    /// How much is asked of text.
    public enum Strictness: Sendable {
        /// What a server guarantees of stored documents. Servers store strings and names that are not UTF-8, and
        /// binaries of the old subtype 2 with any inner length, so neither is damage in an archive. A mongod 6.0.5
        /// accepts and refuses the corpus' invalid documents exactly like this.
        case server
        /// What the BSON specification and its corpus ask: in addition, all text is well-formed UTF-8, and the inner
        /// length of a binary of subtype 2 fits.
        case specification
    }

    /// Levels of nesting that are accepted, the document itself being the first. Servers accept 200, 250 at most
    /// (`BSONDepth`).
    public static let depthMax = 256

    /// Checks that `document` is exactly one well-formed document.
    ///
    /// - Throws: `.corrupt`, or `.limit` for a document nested deeper than `depthMax`; with the offset in `document`.
    public static func validate(
        _ document: RawSpan, strictness: Strictness, depthMax: Int = depthMax
    ) throws(CairnError) {
        let walk = BSONWalk(document, checksText: strictness == .specification, depthMax: depthMax)
        guard walk.documentCount(at: 0) == document.byteCount else { throw Malformed.framing(document.byteCount) }
        let fault = walk.documentFault(at: 0)
        guard fault.kind == .none else { throw Malformed.fault(fault, depthMax: depthMax) }
    }

    /// Checks that `chunk` is a run of well-formed documents, nothing between or behind them, and counts them.
    ///
    /// - Throws: `.corrupt` or `.limit`, with the offset in `chunk`.
    public static func validateDocuments(
        inChunk chunk: RawSpan, strictness: Strictness, depthMax: Int = depthMax
    ) throws(CairnError) -> Int {
        let walk = BSONWalk(chunk, checksText: strictness == .specification, depthMax: depthMax)
        var offset = 0
        var documents = 0
        while offset < chunk.byteCount {
            let count = walk.documentCount(at: offset)
            guard count > 0 else { throw Malformed.batch(at: offset) }
            let fault = walk.documentFault(at: offset)
            guard fault.kind == .none else { throw Malformed.fault(fault, depthMax: depthMax) }
            offset += count
            documents += 1
        }
        return documents
    }

    /// Whether `bytes` is well-formed UTF-8 (Unicode 16, table 3-7: no overlong forms, no surrogates, nothing above
    /// U+10FFFF).
    public static func isUTF8(_ bytes: RawSpan) -> Bool {
        BSONWalk(bytes, checksText: true, depthMax: 1).isText(from: 0, count: bytes.byteCount)
    }
}
