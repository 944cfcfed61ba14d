/// How the values of a column are written, format-spec.md §6.6: a byte in the directory.
enum ColumnCodec: UInt8 {
    /// One stream of the values as they are.
    case plain = 0
    /// Integers, dates, timestamps: `IntegerCodec`.
    case integers = 1
    /// Values of a fixed size, a stream for each of their bytes.
    case shuffled = 2
    /// Doubles that are decimal fractions: the digits as integers.
    case decimals = 3
    /// Object ids: seconds, machine, counter.
    case objectIDs = 4
    /// Few different values: a stream of them and a stream of numbers.
    case dictionary = 5
    /// Length-prefixed values: lengths as integers, and one stream of text.
    case text = 6
    /// The same, with the text as numbers of words.
    case words = 7
    /// Binary values of one length and subtype: their bytes without these.
    case uniform = 8
}
