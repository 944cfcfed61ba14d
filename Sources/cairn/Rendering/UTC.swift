internal import Operations

/// Times as people and programs read them.
enum UTC {
    /// Seconds since 1970 as ISO 8601, `2025-01-31T12:00:00Z`. Leap seconds do not exist, as everywhere in POSIX.
    static func iso8601(_ secondsSince1970: Int) -> String {
        let secondsOfDay = 86400
        let day = Int((Double(secondsSince1970) / Double(secondsOfDay)).rounded(.down))
        let second = secondsSince1970 - day * secondsOfDay
        let date = CivilDate(daysSince1970: day)
        func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(date.year)-\(padded(date.month))-\(padded(date.day))"
            + "T\(padded(second / 3600)):\(padded(second / 60 % 60)):\(padded(second % 60))Z"
    }
}
