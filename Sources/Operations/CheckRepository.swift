public import Archive
internal import BSON
internal import Bytes
internal import ObjectStore

/// Looks for damage in a repository, and makes the best of it when asked to.
public struct CheckRepository: Sendable {
    /// What is looked at.
    public struct Options: Sendable {
        /// The repository.
        public var repository: RepositoryAccess
        /// How much of the packs is read.
        public var data: CheckOptions.Data
        /// Repair what was found, after copying aside what is touched.
        public var repair: Bool
        /// For a repair: replicas to take good copies from.
        public var replicas: [Healing.Source] = []
        /// Threads that read packs; 0 takes one a processor.
        public var workers: Int

        /// A check of the structure alone.
        public init(repository: RepositoryAccess) {
            self.repository = repository
            data = .none
            repair = false
            workers = 0
        }
    }

    /// What was found, and what was done about it.
    public struct Report: Sendable {
        /// What is wrong; after a repair, what is wrong still.
        public var check: CheckReport
        /// What a repair did; nil when none was asked for.
        public var repair: Repair.Report?
    }

    private let options: Options
    private let progress: JobProgress
    private let cancellation: Cancellation

    /// Prepares a check; nothing is read before `run`.
    public init(options: Options, progress: JobProgress, cancellation: Cancellation) {
        self.options = options
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Runs the check. Damage is in the report and not thrown.
    ///
    /// - Throws: what keeps it from looking; `.held` when a repair is asked for and somebody works on the repository.
    public func run() throws -> Report {
        let (repository, entrance) = try open()
        let monitor = CheckMonitor()
        let bridge = MonitorBridge(monitor, progress: progress, cancellation: cancellation)
        defer { bridge.end() }
        guard options.repair else {
            return Report(check: try Check.run(repository, options: checkOptions, monitor: monitor), repair: nil)
        }
        let lease = try Lease.acquire(.maintenance, in: repository, note: "repair", repairsReplica: true)
        defer { lease.release() }
        var repair = try Repair.run(
            repository, options: checkOptions, replicas: options.replicas, monitor: monitor)
        repair.healed = entrance + repair.healed
        if repair.changed {
            try repository.appendAudit(
                operation: "repair", program: Program.name,
                details: [
                    "removed": .array(repair.removed.map { .string($0.path) }),
                    "healed": .array(repair.healed.filter { $0.failure == nil }.map { .string($0.name.path) }),
                    "salvagedChunks": BSONValue(repair.salvagedChunks), "lostChunks": BSONValue(repair.lostChunks),
                ])
        }
        return Report(check: repair.after, repair: repair)
    }

    /// Opens the repository, with its `config` and keys put back where only replicas have them.
    private func open() throws -> (Repository, [Healing.Outcome]) {
        do {
            return (try options.repository.open(), [])
        } catch let error as CairnError
            where options.repair && !options.replicas.isEmpty && [.noRepository, .corrupt].contains(error.code)
        {
            let healed = try Healing.restoreEntrance(
                of: try options.repository.openStore(), from: options.replicas, key: options.repository.key,
                failure: error)
            return (try options.repository.open(), healed)
        }
    }

    private var checkOptions: CheckOptions {
        CheckOptions(data: options.data, workers: options.workers > 0 ? options.workers : Machine.processors)
    }
}

/// Carries the counters of a check to the progress, and a request to stop the other way, ten times a second: `Archive`
/// knows neither.
private final class MonitorBridge {
    private static let intervalMilliseconds: Int64 = 100

    private let stop = StopSignal()
    private let thread: OwnedThread

    init(_ monitor: CheckMonitor, progress: JobProgress, cancellation: Cancellation) {
        thread = OwnedThread(name: "check-monitor") { [stop] in
            var packs = -1
            var rawBytes = 0
            var done = 0
            while !stop.wait(milliseconds: MonitorBridge.intervalMilliseconds) {
                if cancellation.isCancelled { monitor.cancel() }
                let now = monitor.progress
                if now.packsTotal != packs || now.packsDone < done {
                    packs = now.packsTotal
                    done = 0
                    rawBytes = 0
                    progress.begin(phase: "check", totalCollections: packs)
                }
                progress.add(documents: 0, bytesIn: now.rawBytes - rawBytes)
                for _ in done..<max(done, now.packsDone) { progress.finishCollection() }
                rawBytes = now.rawBytes
                done = now.packsDone
            }
        }
    }

    func end() {
        stop.stop()
        thread.join()
    }
}
