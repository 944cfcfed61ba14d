import Bytes

/// The parts of a code-with-scope value, borrowed.
///
///     +----------------+---------------------------+----------------+
///     | int32 in total | code: int32, text, zero   | scope document |
///     +----------------+---------------------------+----------------+
///     0                4                           4 + codeCount
struct ScopedCode: ~Escapable {
    /// The code's text, without length and zero.
    let code: RawSpan
    /// The scope, framing unchecked.
    let scope: RawSpan

    /// - Throws: `.corrupt` when the code does not fit before a scope.
    @_lifetime(copy value)
    init(_ value: RawSpan) throws(CairnError) {
        let count = ValueLayout.byteCount(of: BSONType.string.rawValue, in: value, at: 4, end: value.byteCount - 5)
        guard count >= 5, value.byte(at: 4 + count - 1) == 0 else { throw Malformed.value(.codeWithScope) }
        code = value.extracting(8..<(4 + count - 1))
        scope = value.extracting((4 + count)..<value.byteCount)
    }
}
