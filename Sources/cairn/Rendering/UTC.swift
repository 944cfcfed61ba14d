/// Times as people and programs read them.
enum UTC {
    /// Seconds since 1970 as ISO 8601, `2025-01-31T12:00:00Z`. Leap seconds do not exist, as everywhere in POSIX.
    static func iso8601(_ secondsSince1970: Int) -> String {
        let secondsOfDay = 86400
        let day = Int((Double(secondsSince1970) / Double(secondsOfDay)).rounded(.down))
        let second = secondsSince1970 - day * secondsOfDay
        let (year, month, dayOfMonth) = civil(daysSince1970: day)
        func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(year)-\(padded(month))-\(padded(dayOfMonth))"
            + "T\(padded(second / 3600)):\(padded(second / 60 % 60)):\(padded(second % 60))Z"
    }

    /// Days to a date of the proleptic Gregorian calendar, in eras of 400 years that begin on 1 March, so that the
    /// leap day is the last of its year (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    private static func civil(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
