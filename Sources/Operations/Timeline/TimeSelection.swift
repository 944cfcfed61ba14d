public import BSON
internal import Bytes

/// A point in time as a user writes it: what `--at` takes.
///
/// | written | means |
/// | --- | --- |
/// | `2026-11-22T14:03:10Z`, `2026-11-22T15:03:10.25+01:00` | up to and including that second (RFC 3339) |
/// | `1795356190` | the same, in seconds since 1970 |
/// | `1795356190:7` | up to and including the operation with that cluster time, as the server's oplog shows it |
/// | `-90s`, `-5m`, `-2h`, `-3d` | so long ago |
/// | `latest` | the newest time that can be restored |
public enum TimeSelection: Hashable, Sendable {
    /// The newest restorable time.
    case latest
    /// Everything in and before the second, counted since 1970.
    case second(Int)
    /// Everything up to and including this operation.
    case operation(Timestamp)
    /// The second so many seconds before now.
    case ago(Int)

    /// Reads what the user wrote.
    ///
    /// - Throws: `.usage` showing the forms.
    public init(_ text: String) throws {
        guard let parsed = TimeSelection.parse(text) else {
            throw CairnError(
                .usage,
                "\"\(text)\" is no point in time: write 2026-01-31T12:00:00Z, seconds since 1970, a cluster time "
                    + "like 1769860800:3, an age like -2h (s, m, h, d), or latest")
        }
        self = parsed
    }

    /// The cluster time that is meant; nil for `latest`. Whole seconds include every operation in them.
    ///
    /// - Parameter now: seconds since 1970.
    public func timestamp(now: Int) -> Timestamp? {
        switch self {
        case .latest: nil
        case .second(let second): Timestamp(t: UInt32(clamping: second), i: .max)
        case .operation(let time): time
        case .ago(let seconds): Timestamp(t: UInt32(clamping: now - seconds), i: .max)
        }
    }

    private static func parse(_ text: String) -> TimeSelection? {
        if text == "latest" { return .latest }
        if text.hasPrefix("-") { return age(text.dropFirst()).map { .ago($0) } }
        if let colon = text.firstIndex(of: ":"), !text.contains("-") {
            guard let t = number(text[..<colon], digits: 1...10), let i = number(text[text.index(after: colon)...]),
                let seconds = UInt32(exactly: t), let increment = UInt32(exactly: i)
            else { return nil }
            return .operation(Timestamp(t: seconds, i: increment))
        }
        if let seconds = number(text[...]) { return UInt32(exactly: seconds) == nil ? nil : .second(seconds) }
        return rfc3339(text).map { .second($0) }
    }

    private static func age(_ text: Substring) -> Int? {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = number(text.dropLast(), digits: 1...9) else {
            return nil
        }
        return count * unit
    }

    /// Plain decimal digits, without sign; a number of more digits than any time has is none.
    private static func number(_ text: Substring, digits: ClosedRange<Int> = 1...10) -> Int? {
        guard digits.contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }
}

/// RFC 3339 §5.6, with a blank or a lower-case `t` allowed between date and time as it permits.
extension TimeSelection {
    /// Seconds since 1970; fractions of a second are cut off, for the whole second is meant.
    private static func rfc3339(_ text: String) -> Int? {
        let bytes = Array(text.utf8)
        func field(_ start: Int, _ count: Int) -> Int? {
            guard start + count <= bytes.count else { return nil }
            return number(Substring(decoding: bytes[start..<start + count], as: UTF8.self), digits: count...count)
        }
        guard bytes.count >= 20, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            [UInt8(ascii: "T"), UInt8(ascii: "t"), UInt8(ascii: " ")].contains(bytes[10]),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"),
            let year = field(0, 4), let month = field(5, 2), let day = field(8, 2), let hour = field(11, 2),
            let minute = field(14, 2), let second = field(17, 2), let zone = zone(bytes[19...]),
            (1...12).contains(month), (1...daysIn(month, of: year)).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        let sinceMidnight = hour * 3_600 + minute * 60 + min(second, 59)
        let seconds = CivilDate(year: year, month: month, day: day).daysSince1970 * 86_400 + sinceMidnight - zone
        return UInt32(exactly: seconds) == nil ? nil : seconds
    }

    /// Seconds that the zone is ahead of UTC, behind an optional fraction.
    private static func zone(_ bytes: ArraySlice<UInt8>) -> Int? {
        var rest = bytes
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            let fraction = rest.prefix { (48...57).contains($0) }
            guard !fraction.isEmpty else { return nil }
            rest = rest.dropFirst(fraction.count)
        }
        let text = Substring(decoding: rest, as: UTF8.self)
        if text == "Z" || text == "z" { return 0 }
        let parts = text.dropFirst().split(separator: ":", omittingEmptySubsequences: false)
        guard let sign = text.first, sign == "+" || sign == "-", parts.count == 2,
            let hours = number(parts[0], digits: 2...2), let minutes = number(parts[1], digits: 2...2), hours < 24,
            minutes < 60
        else { return nil }
        return (sign == "-" ? -1 : 1) * (hours * 3_600 + minutes * 60)
    }

    private static func daysIn(_ month: Int, of year: Int) -> Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }
}
