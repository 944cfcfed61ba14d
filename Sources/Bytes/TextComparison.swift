/// Comparison of texts by their bytes, as MongoDB compares names.
///
/// Swift's own `==`, `hasPrefix` and `firstIndex(of:)` go by canonical equivalence and by whole characters: two names
/// that differ only in Unicode normalisation are one to them, and a dot before a combining mark is no dot.
extension StringProtocol {
    /// Whether both are the same UTF-8.
    public func hasSameBytes(as other: some StringProtocol) -> Bool { utf8.elementsEqual(other.utf8) }

    /// Whether the UTF-8 of this one comes first.
    public func precedesInBytes(_ other: some StringProtocol) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

    /// What follows `prefix`; nil when the text does not begin with it.
    public func dropping(_ prefix: some StringProtocol) -> String? {
        guard utf8.starts(with: prefix.utf8) else { return nil }
        return String(decoding: utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
    }
}

extension Sequence where Element == String {
    /// Whether both are the same texts in the same order.
    public func haveSameBytes(as others: some Sequence<String>) -> Bool {
        elementsEqual(others) { $0.hasSameBytes(as: $1) }
    }
}
