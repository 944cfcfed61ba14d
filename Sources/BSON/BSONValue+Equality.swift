internal import Bytes

extension BSONValue {
    /// Texts are compared by their bytes: to `String`, `_id`s that differ only in Unicode normalisation are one.
    public static func == (left: BSONValue, right: BSONValue) -> Bool {
        switch (left, right) {
        case (.double(let left), .double(let right)): left == right
        case (.string(let left), .string(let right)), (.code(let left), .code(let right)),
            (.symbol(let left), .symbol(let right)):
            left.hasSameBytes(as: right)
        case (.document(let left), .document(let right)): left == right
        case (.array(let left), .array(let right)): left == right
        case (.binary(let subtype, let left), .binary(let other, let right)): subtype == other && left == right
        case (.objectID(let left), .objectID(let right)): left == right
        case (.bool(let left), .bool(let right)): left == right
        case (.date(let left), .date(let right)), (.int64(let left), .int64(let right)): left == right
        case (.regex(let left, let options), .regex(let right, let others)):
            left.hasSameBytes(as: right) && options.hasSameBytes(as: others)
        case (.dbPointer(let namespace, let left), .dbPointer(let other, let right)):
            left == right && namespace.hasSameBytes(as: other)
        case (.codeWithScope(let left, let scope), .codeWithScope(let right, let other)):
            left.hasSameBytes(as: right) && scope == other
        case (.int32(let left), .int32(let right)): left == right
        case (.timestamp(let left), .timestamp(let right)): left == right
        case (.decimal128(let left), .decimal128(let right)): left == right
        case (.undefined, .undefined), (.null, .null), (.maxKey, .maxKey), (.minKey, .minKey): true
        default: false
        }
    }

    /// Of texts that are equal to `String` alone, equal hashes do no harm: `==` tells them apart.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(type)
        switch self {
        case .double(let value): hasher.combine(value)
        case .string(let text), .code(let text), .symbol(let text): hasher.combine(text)
        case .document(let document): hasher.combine(document)
        case .array(let values): hasher.combine(values)
        case .binary(let subtype, let bytes):
            hasher.combine(subtype)
            hasher.combine(bytes)
        case .objectID(let id): hasher.combine(id)
        case .bool(let value): hasher.combine(value)
        case .date(let value), .int64(let value): hasher.combine(value)
        case .regex(let pattern, let options):
            hasher.combine(pattern)
            hasher.combine(options)
        case .dbPointer(let namespace, let id):
            hasher.combine(namespace)
            hasher.combine(id)
        case .codeWithScope(let code, let scope):
            hasher.combine(code)
            hasher.combine(scope)
        case .int32(let value): hasher.combine(value)
        case .timestamp(let value): hasher.combine(value)
        case .decimal128(let value): hasher.combine(value)
        case .undefined, .null, .maxKey, .minKey: break
        }
    }
}
