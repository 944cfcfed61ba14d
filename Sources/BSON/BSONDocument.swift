public import Bytes

/// A BSON document that owns its bytes: for commands, replies, metadata and configuration.
///
/// Invariant: the bytes passed `BSONValidator` in `.server` strictness, or were built by `DocumentBuilder`. So
/// reading one never fails, except that a caller can miss a field or find another type. Equality is that of the
/// bytes: field order and number types count.
public struct BSONDocument: Hashable, Sendable {
    /// The whole document: int32 length, elements, zero.
    public let bytes: [UInt8]

    /// The empty document.
    public init() { bytes = [5, 0, 0, 0, 0] }

    /// Takes bytes that must be exactly one well-formed document.
    ///
    /// - Throws: `.corrupt` with the offset of what is malformed.
    public init(validating bytes: [UInt8]) throws(CairnError) {
        try BSONValidator.validate(bytes.rawSpan, strictness: .server)
        self.bytes = bytes
    }

    /// Copies a span that must be exactly one well-formed document.
    ///
    /// - Throws: `.corrupt` with the offset of what is malformed.
    public init(copying span: RawSpan) throws(CairnError) {
        try self.init(validating: [UInt8](span))
    }

    /// The document of `fields`, in their order. Traps on a name with a zero byte.
    public init(_ fields: [(String, BSONValue)]) {
        var builder = DocumentBuilder()
        for (name, value) in fields { builder.append(name, value) }
        self = builder.finish()
    }

    /// The document that `body` builds.
    public init(_ body: (inout DocumentBuilder) throws -> Void) rethrows {
        var builder = DocumentBuilder()
        try body(&builder)
        self = builder.finish()
    }

    /// Bytes that a builder of this module framed.
    init(trusted bytes: [UInt8]) { self.bytes = bytes }

    /// A borrowed view of the document.
    public var view: DocumentView {
        @_lifetime(borrow self)
        get {
            guard let view = DocumentView(ifFramed: bytes.rawSpan) else { preconditionFailure("framed by invariant") }
            return view
        }
    }

    /// Whether the document has no field.
    public var isEmpty: Bool { bytes.count == 5 }
}

extension BSONDocument: ExpressibleByDictionaryLiteral {
    /// The fields in the order written; a name may be written twice.
    public init(dictionaryLiteral elements: (String, BSONValue)...) { self.init(elements) }
}
