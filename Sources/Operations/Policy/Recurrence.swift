internal import Bytes

/// When something is to happen again and again, in UTC: `daily 02:00` for example.
///
/// UTC, because a local clock has days on which 02:30 happens twice or not at all.
public enum Recurrence: Hashable, Sendable {
    /// Not at all.
    case never
    /// Every so many seconds, counted from midnight; a divisor of a day, so that each day is like the others.
    case every(seconds: Int)
    /// At this second of each day.
    case daily(second: Int)
    /// On one day of each week, 0 being Monday.
    case weekly(day: Int, second: Int)
    /// On one day of each month, 1 to 28, which every month has.
    case monthly(day: Int, second: Int)

    private static let secondsOfDay = 86_400
    private static let secondsOfWeek = 604_800
    /// 5 January 1970 was a Monday.
    private static let firstMonday = 4
    /// The days of a week as policies name them.
    public static let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

    /// Reads what a policy says: `never`, `hourly`, `every 15m`, `every 6h`, `daily`, `daily 02:00`,
    /// `weekly sunday 02:00` or `monthly 1 02:00`. A time that is left out is 00:00.
    ///
    /// - Throws: `.usage` showing the forms.
    public init(_ text: String) throws {
        let words = text.lowercased().split(separator: " ").map(String.init)
        guard let parsed = Recurrence.parse(words) else {
            throw CairnError(
                .usage,
                "\"\(text)\" is no schedule: write never, hourly, every 15m, every 6h, daily 02:00, "
                    + "weekly sunday 02:00 or monthly 1 02:00; times are UTC")
        }
        self = parsed
    }

    private static func parse(_ words: [String]) -> Recurrence? {
        switch (words.first, words.count) {
        case ("never", 1): return .never
        case ("hourly", 1): return .every(seconds: 3_600)
        case ("every", 2): return interval(words[1]).map { .every(seconds: $0) }
        case ("daily", 1...2): return time(words.dropFirst().first).map { .daily(second: $0) }
        case ("weekly", 2...3):
            guard let day = days.firstIndex(of: words[1]), let second = time(words.dropFirst(2).first) else {
                return nil
            }
            return .weekly(day: day, second: second)
        case ("monthly", 2...3):
            guard let day = Int(words[1]), (1...28).contains(day), let second = time(words.dropFirst(2).first) else {
                return nil
            }
            return .monthly(day: day, second: second)
        default: return nil
        }
    }

    /// A divisor of a day of at least a minute: `15m`, `6h`.
    private static func interval(_ text: String) -> Int? {
        let units: [Character: Int] = ["m": 60, "h": 3_600]
        let digits = text.dropLast()
        guard let unit = text.last.flatMap({ units[$0] }), (1...4).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (48...57).contains($0) }), let count = Int(digits), count > 0,
            secondsOfDay % (count * unit) == 0
        else { return nil }
        return count * unit
    }

    /// `HH:MM` as a second of the day; midnight for none.
    private static func time(_ text: String?) -> Int? {
        guard let text else { return 0 }
        let bytes = Array(text.utf8)
        guard bytes.count == 5, bytes[2] == UInt8(ascii: ":"),
            [0, 1, 3, 4].allSatisfy({ (48...57).contains(bytes[$0]) })
        else { return nil }
        let hour = Int(bytes[0] - 48) * 10 + Int(bytes[1] - 48), minute = Int(bytes[3] - 48) * 10 + Int(bytes[4] - 48)
        return hour < 24 && minute < 60 ? hour * 3_600 + minute * 60 : nil
    }

    /// The latest time at or before `now` at which it was to happen, both in seconds since 1970; nil for never.
    public func last(at now: Int) -> Int? {
        switch self {
        case .never: return nil
        case .every(let seconds): return floor(now, seconds)
        case .daily(let second): return floor(now - second, Self.secondsOfDay) + second
        case .weekly(let day, let second):
            let offset = (Self.firstMonday + day) * Self.secondsOfDay + second
            return floor(now - offset, Self.secondsOfWeek) + offset
        case .monthly(let day, let second):
            var date = CivilDate(daysSince1970: floor(now, Self.secondsOfDay) / Self.secondsOfDay)
            if monthly(date, day, second) > now {
                date = CivilDate(
                    year: date.month == 1 ? date.year - 1 : date.year, month: (date.month + 10) % 12 + 1, day: 1)
            }
            return monthly(date, day, second)
        }
    }

    /// The first time after `now` at which it is to happen; nil for never.
    public func next(after now: Int) -> Int? {
        guard let last = last(at: now) else { return nil }
        switch self {
        case .never: return nil
        case .every(let seconds): return last + seconds
        case .daily: return last + Self.secondsOfDay
        case .weekly: return last + Self.secondsOfWeek
        case .monthly(let day, let second):
            let date = CivilDate(daysSince1970: floor(last, Self.secondsOfDay) / Self.secondsOfDay)
            return monthly(
                CivilDate(year: date.month == 12 ? date.year + 1 : date.year, month: date.month % 12 + 1, day: 1), day,
                second)
        }
    }

    private func monthly(_ date: CivilDate, _ day: Int, _ second: Int) -> Int {
        CivilDate(year: date.year, month: date.month, day: day).daysSince1970 * Self.secondsOfDay + second
    }

    /// The largest multiple of `step` that is not above `value`, also below zero.
    private func floor(_ value: Int, _ step: Int) -> Int {
        let remainder = value % step
        return value - (remainder < 0 ? remainder + step : remainder)
    }
}

extension Recurrence: CustomStringConvertible {
    /// The form that `init(_:)` reads.
    public var description: String {
        func time(_ second: Int) -> String {
            let (hour, minute) = (second / 3_600, second / 60 % 60)
            return "\(hour < 10 ? "0" : "")\(hour):\(minute < 10 ? "0" : "")\(minute)"
        }
        switch self {
        case .never: return "never"
        case .every(3_600): return "hourly"
        case .every(let seconds): return seconds % 3_600 == 0 ? "every \(seconds / 3_600)h" : "every \(seconds / 60)m"
        case .daily(let second): return "daily \(time(second))"
        case .weekly(let day, let second): return "weekly \(Self.days[day]) \(time(second))"
        case .monthly(let day, let second): return "monthly \(day) \(time(second))"
        }
    }
}
