internal import Bytes

/// Which snapshots are kept, and for how long. A snapshot is kept while any rule keeps it.
public struct RetentionPolicy: Sendable, Hashable {
    /// The calendar periods of which the newest snapshot is kept, in UTC; weeks begin on Monday.
    public enum Period: String, Sendable, Hashable, CaseIterable {
        /// 60 minutes from a full hour.
        case hourly
        /// From midnight.
        case daily
        /// From Monday.
        case weekly
        /// From the first.
        case monthly
        /// From 1 January.
        case yearly
    }

    /// How long snapshots that were read or folded whole are kept, in seconds; nil for no such rule.
    public var full: Int?
    /// How long incrementals are kept, in seconds, and with them every second of that time.
    public var incremental: Int?
    /// How long snapshots with a tag are kept, in seconds.
    public var tags: [String: Int] = [:]
    /// The newest so many, whatever they are.
    public var last: Int?
    /// The newest one of each of the last so many periods that have one.
    public var periods: [Period: Int] = [:]

    /// A policy without rules.
    public init() {}

    /// Whether it has no rule. It would forget everything, which nobody means.
    public var isEmpty: Bool {
        full == nil && incremental == nil && tags.isEmpty && (last ?? 0) == 0 && periods.values.allSatisfy { $0 == 0 }
    }

    /// A length of time as policies are written: a number and h, d, w (weeks) or y (365 days).
    ///
    /// - Throws: `.usage` for anything else, 0 included. Minutes are left out, for m would be read as months.
    public static func seconds(_ text: String) throws -> Int {
        let units: [Character: Int] = ["h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000]
        let digits = text.dropLast()
        guard let unit = text.last.flatMap({ units[$0] }), !digits.isEmpty, digits.utf8.count <= 6,
            digits.utf8.allSatisfy({ (48...57).contains($0) }), let count = Int(digits), count > 0
        else {
            throw CairnError(
                .usage, "\"\(text)\" is no length of time: write a number from 1 and h, d, w or y, such as 30d")
        }
        return count * unit
    }
}
