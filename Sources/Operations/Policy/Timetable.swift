/// When `cairn run` has to be started so that everything of a policy happens at its time.
///
/// A start does all that is due, so a time at which the command is started anyway needs no start of its own.
public struct Timetable: Sendable, Hashable {
    /// The recurrences that are left, the most frequent first; none when the policy has nothing to do.
    public let recurrences: [Recurrence]

    /// - Parameter replicates: whether there are replicas.
    public init(_ policy: BackupPolicy, replicates: Bool) {
        let all =
            [policy.full, policy.incremental, policy.forget, policy.prune] + (replicates ? [policy.replicate] : [])
        var left: [Recurrence] = []
        for recurrence in all where recurrence != .never && !left.contains(recurrence) { left.append(recurrence) }
        recurrences = left.enumerated().filter { number, recurrence in
            !left.enumerated().contains { other, candidate in
                // Of two that say the same, `daily` and `every 24h`, the first is left.
                candidate.includes(recurrence) && (!recurrence.includes(candidate) || other < number)
            }
        }
        .map(\.element)
        .sorted { $0.startsInFourWeeks > $1.startsInFourWeeks }
    }
}

extension Recurrence {
    /// Whether it happens at every time at which `other` does.
    func includes(_ other: Recurrence) -> Bool {
        switch (self, other) {
        case (.every(let seconds), .every(let others)): others % seconds == 0
        case (.every(let seconds), .daily(let second)), (.every(let seconds), .weekly(_, let second)),
            (.every(let seconds), .monthly(_, let second)):
            second % seconds == 0
        case (.daily(let second), .every(let seconds)): second == 0 && seconds == 86_400
        case (.daily(let second), .daily(let other)), (.daily(let second), .weekly(_, let other)),
            (.daily(let second), .monthly(_, let other)):
            second == other
        default: self == other
        }
    }

    fileprivate var startsInFourWeeks: Int {
        switch self {
        case .never: 0
        case .every(let seconds): 28 * 86_400 / seconds
        case .daily: 28
        case .weekly: 4
        case .monthly: 1
        }
    }

    /// The times of a day at which it happens, in seconds, on the days on which it does.
    public var timesOfDay: [Int] {
        switch self {
        case .never: []
        case .every(let seconds): Array(stride(from: 0, to: 86_400, by: seconds))
        case .daily(let second), .weekly(_, let second), .monthly(_, let second): [second]
        }
    }
}
