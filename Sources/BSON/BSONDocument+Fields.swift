public import Bytes

/// Reading fields of owned documents. A lookup walks the document: for metadata of a few dozen fields that beats any
/// table.
extension BSONDocument {
    /// The value of the first field of that name, copied; nil when there is none. Ill-formed UTF-8 in text is repaired.
    public subscript(name: String) -> BSONValue? {
        checked { () throws(CairnError) in
            guard let element = try view.first(named: name) else { return nil }
            return try BSONValue(element)
        }
    }

    /// Whether a field of that name exists.
    public func contains(_ name: String) -> Bool {
        checked { () throws(CairnError) in try view.first(named: name) != nil }
    }

    /// The names and values in stored order, duplicates included. A copy of everything: for small documents.
    public var fields: [(name: String, value: BSONValue)] {
        checked { () throws(CairnError) in
            var fields: [(name: String, value: BSONValue)] = []
            var elements = view.makeElements()
            while let element = try elements.next() { fields.append((element.nameText, try BSONValue(element))) }
            return fields
        }
    }

    /// The field names in stored order.
    public var names: [String] {
        checked { () throws(CairnError) in
            var names: [String] = []
            var elements = view.makeElements()
            while let element = try elements.next() { names.append(element.nameText) }
            return names
        }
    }

    /// The value of a field that must be there.
    ///
    /// - Parameter object: The object or namespace that the document came from; errors name it.
    /// - Throws: `.corrupt` naming the field when it is missing, or of another type.
    public func require<Value: BSONFieldValue>(
        _ name: String, as type: Value.Type = Value.self, in object: String
    ) throws(CairnError) -> Value {
        guard let element = try view.first(named: name) else {
            throw CairnError(.corrupt, "field \"\(name)\" is missing; \(Value.expectation) is needed", object: object)
        }
        return try BSONDocument.read(element, name, as: type, in: object)
    }

    /// The value of a field that may be absent or null: then nil.
    ///
    /// - Throws: `.corrupt` naming the field when it is of another type.
    public func optional<Value: BSONFieldValue>(
        _ name: String, as type: Value.Type = Value.self, in object: String
    ) throws(CairnError) -> Value? {
        guard let element = try view.first(named: name), element.type != .null else { return nil }
        return try BSONDocument.read(element, name, as: type, in: object)
    }

    private static func read<Value: BSONFieldValue>(
        _ element: borrowing ElementView, _ name: String, as type: Value.Type, in object: String
    ) throws(CairnError) -> Value {
        guard let value = Value(field: element) else {
            throw CairnError(
                .corrupt, "field \"\(name)\" holds \(element.type), where \(Value.expectation) is needed",
                object: object)
        }
        return value
    }

    /// The invariant of the type makes these reads total; a throw would be a bug of ours.
    private func checked<Result>(_ body: () throws(CairnError) -> Result) -> Result {
        do throws(CairnError) { return try body() } catch { preconditionFailure("validated when made: \(error)") }
    }
}

/// A Swift type that a field of metadata can be read as.
public protocol BSONFieldValue {
    /// What the field must hold, for messages: "a string".
    static var expectation: String { get }
    /// The value of `element`, or nil when it holds something else.
    init?(field element: borrowing ElementView)
}

extension Int: BSONFieldValue {
    /// "a whole number".
    public static var expectation: String { "a whole number" }
    /// An int32, int64, or a double that is a whole number.
    public init?(field element: borrowing ElementView) {
        guard let value = element.integer else { return nil }
        self.init(value)
    }
}

extension Int64: BSONFieldValue {
    /// "a whole number".
    public static var expectation: String { "a whole number" }
    /// An int32, int64, or a double that is a whole number.
    public init?(field element: borrowing ElementView) {
        guard let value = element.integer else { return nil }
        self = value
    }
}

extension Int32: BSONFieldValue {
    /// "a 32-bit whole number".
    public static var expectation: String { "a 32-bit whole number" }
    /// An int32, int64, or a double that is a whole number and fits.
    public init?(field element: borrowing ElementView) {
        guard let value = element.integer else { return nil }
        self.init(exactly: value)
    }
}

extension Double: BSONFieldValue {
    /// "a number".
    public static var expectation: String { "a number" }
    /// A double, int32 or int64.
    public init?(field element: borrowing ElementView) {
        guard let value = element.double ?? element.integer.map(Double.init) else { return nil }
        self = value
    }
}

extension Bool: BSONFieldValue {
    /// "a bool".
    public static var expectation: String { "a bool" }
    /// A bool.
    public init?(field element: borrowing ElementView) {
        guard let value = element.bool else { return nil }
        self = value
    }
}

extension String: BSONFieldValue {
    /// "a UTF-8 string".
    public static var expectation: String { "a UTF-8 string" }
    /// A string that is well-formed UTF-8.
    public init?(field element: borrowing ElementView) {
        guard let value = element.string else { return nil }
        self = value
    }
}

extension Timestamp: BSONFieldValue {
    /// "a timestamp".
    public static var expectation: String { "a timestamp" }
    /// A timestamp.
    public init?(field element: borrowing ElementView) {
        guard let value = element.timestamp else { return nil }
        self = value
    }
}

extension ObjectID: BSONFieldValue {
    /// "an ObjectId".
    public static var expectation: String { "an ObjectId" }
    /// An object id.
    public init?(field element: borrowing ElementView) {
        guard let value = element.objectID else { return nil }
        self = value
    }
}

extension BSONDocument: BSONFieldValue {
    /// "a document".
    public static var expectation: String { "a document" }
    /// An embedded document, byte for byte.
    public init?(field element: borrowing ElementView) {
        guard element.type == .document, let document = try? BSONDocument(copying: element.value) else { return nil }
        self = document
    }
}

extension BSONValue: BSONFieldValue {
    /// "a value".
    public static var expectation: String { "a value" }
    /// Any value.
    public init?(field element: borrowing ElementView) {
        guard let value = try? BSONValue(element) else { return nil }
        self = value
    }
}

extension Array: BSONFieldValue where Element: BSONFieldValue {
    /// "an array …", with what each element must be.
    public static var expectation: String { "an array whose elements are each \(Element.expectation)" }
    /// An array whose elements all read as `Element`. Bytes are read as `BSONBinary`.
    public init?(field element: borrowing ElementView) {
        self.init()
        guard element.type == .array, var elements = element.document?.makeElements() else { return nil }
        do throws(CairnError) {
            while let item = try elements.next() {
                guard let value = Element(field: item) else { return nil }
                append(value)
            }
        } catch {
            return nil
        }
    }
}

/// The bytes of a binary field of any subtype; an array of bytes would collide with BSON arrays.
public struct BSONBinary: BSONFieldValue, Hashable, Sendable {
    /// The subtype: 0 generic, 4 UUID.
    public let subtype: UInt8
    /// The bytes, without length and subtype.
    public let bytes: [UInt8]

    /// "binary data".
    public static var expectation: String { "binary data" }

    /// A binary value.
    public init?(field element: borrowing ElementView) {
        guard let bytes = element.binary, let subtype = element.binarySubtype else { return nil }
        self.subtype = subtype
        self.bytes = [UInt8](bytes)
    }
}
