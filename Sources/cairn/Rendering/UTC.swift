internal import Operations

/// Times as people and programs read them.
enum UTC {
    /// Seconds since 1970 as ISO 8601, `2025-01-31T12:00:00Z`. Leap seconds do not exist, as everywhere in POSIX.
    static func iso8601(_ secondsSince1970: Int) -> String {
        CivilDate.iso8601(secondsSince1970)
    }
}
