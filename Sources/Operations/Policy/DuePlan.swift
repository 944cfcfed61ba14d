public import Archive
internal import BSON
internal import Bytes

/// What a policy has to be done now: a function of the policy, of what is stored, and of the time, and of nothing else.
///
/// What was missed, however often, is due once. A full backup is an incremental's equal in what it saves, so where both
/// are due only the full one is taken.
public struct DuePlan: Sendable {
    /// Something to be done.
    public enum Task: Hashable, Sendable {
        /// A full backup.
        case full
        /// An incremental.
        case incremental
        /// The replica of that name.
        case replicate(String)
        /// Snapshots that no rule keeps.
        case forget
        /// What nothing needs.
        case prune

        /// Its name in reports.
        public var name: String {
            switch self {
            case .full: "full"
            case .incremental: "incremental"
            case .replicate(let replica): "replicate \(replica)"
            case .forget: "forget"
            case .prune: "prune"
            }
        }
    }

    /// A task, whether it is due, and why.
    public struct Step: Sendable {
        /// What.
        public var task: Task
        /// Whether it is to be done now.
        public var isDue: Bool
        /// For people.
        public var reason: String
        /// When it is to be done next after now, in seconds since 1970; nil for never.
        public var next: Int?
    }

    /// When what leaves no snapshot was last done, in seconds since 1970.
    public struct History: Sendable {
        /// The last time that anything was forgotten.
        public var forget: Int?
        /// The last time that something was, or could have been, freed.
        public var prune: Int?
        /// The replicas in their order, each with when it was last complete.
        public var replicas: [(name: String, complete: Int?)] = []

        /// Nothing was ever done.
        public init() {}
    }

    /// How far a server's clock may be behind this machine's, in seconds. format-spec.md §11.1.
    private static let clockMargin = 300

    /// Every task of the policy, in the order in which they are done.
    public let steps: [Step]

    /// Those to be done now.
    public var due: [Task] { steps.filter(\.isDue).map(\.task) }

    /// - Parameters:
    ///   - own: snapshots of the source that the policy is for.
    ///   - all: every snapshot of the repository: what is forgotten does not depend on the source.
    ///   - segments: every segment of it.
    ///   - now: seconds since 1970.
    public init(
        _ policy: BackupPolicy, own: [Snapshot], all: [Snapshot], segments: [Segment], history: History, now: Int
    ) {
        let full = DuePlan.snapshot(.full, policy.full, own.filter { $0.kind != .incremental }, now)
        var incremental = DuePlan.snapshot(.incremental, policy.incremental, own, now)
        if full.isDue, incremental.isDue {
            incremental.isDue = false
            incremental.reason = "the full backup saves it too"
        }
        var steps = [full, incremental]
        for (name, complete) in history.replicas {
            // What is saved now is to be copied now, whenever the last copy was made.
            steps.append(DuePlan.step(.replicate(name), policy.replicate, complete, "complete", now))
        }
        var forget = DuePlan.step(.forget, policy.forget, history.forget, "done", now)
        let plan = RetentionPlan(policy.retention, snapshots: all, segments: segments, now: now)
        let gone = plan.verdicts.count { !$0.isKept }
        if forget.isDue {
            forget.isDue = gone + plan.segments.count > 0
            forget.reason =
                forget.isDue
                ? "\(gone) snapshots and \(plan.segments.count) segments are past their time" : "everything is kept"
        }
        steps.append(forget)
        self.steps = steps + [DuePlan.step(.prune, policy.prune, history.prune, "done", now)]
    }

    /// Whether a good snapshot holds what was there at `time`, in seconds since 1970, and was taken by then or later.
    static func isCovered(_ time: Int, by snapshots: [Snapshot]) -> Bool {
        snapshots.contains { snapshot in
            guard snapshot.exact || snapshot.source.set == nil else { return false }
            // The time by our own clock is compared: a server's may be behind, and an idle one writes every ten
            // seconds only. But what was folded from an old state is no new one.
            return Int(snapshot.finished / 1_000) >= time && Int(snapshot.at.t) + clockMargin >= time
        }
    }

    private static func snapshot(
        _ task: Task, _ recurrence: Recurrence, _ snapshots: [Snapshot], _ now: Int
    ) -> Step {
        var step = Step(task: task, isDue: false, reason: "never, by the policy", next: recurrence.next(after: now))
        guard let last = recurrence.last(at: now) else { return step }
        step.isDue = !isCovered(last, by: snapshots)
        step.reason =
            step.isDue
            ? (snapshots.isEmpty ? "there is none yet" : "due since \(utc(last))") : "taken since \(utc(last))"
        return step
    }

    private static func step(
        _ task: Task, _ recurrence: Recurrence, _ done: Int?, _ word: String, _ now: Int
    ) -> Step {
        var step = Step(task: task, isDue: false, reason: "never, by the policy", next: recurrence.next(after: now))
        guard let last = recurrence.last(at: now) else { return step }
        step.isDue = (done ?? .min) < last
        step.reason =
            step.isDue ? (done == nil ? "not \(word) yet" : "due since \(utc(last))") : "\(word) since \(utc(last))"
        return step
    }

    static func utc(_ second: Int) -> String {
        let date = CivilDate(daysSince1970: second / 86_400)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let time = "\(two(second / 3_600 % 24)):\(two(second / 60 % 60))"
        return "\(date.year)-\(two(date.month))-\(two(date.day)) \(time) UTC"
    }
}
