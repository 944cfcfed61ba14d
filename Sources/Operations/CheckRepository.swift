public import Archive
internal import BSON
internal import Bytes

/// Looks for damage in a repository.
public struct CheckRepository: Sendable {
    /// What is looked at.
    public struct Options: Sendable {
        /// The repository.
        public var repository: RepositoryAccess
        /// How much of the packs is read.
        public var data: CheckOptions.Data
        /// Threads that read packs; 0 takes one a processor.
        public var workers: Int

        /// A check of the structure alone.
        public init(repository: RepositoryAccess) {
            self.repository = repository
            data = .none
            workers = 0
        }
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
    public func run() throws -> CheckReport {
        let repository = try options.repository.open()
        let monitor = CheckMonitor()
        let bridge = MonitorBridge(monitor, progress: progress, cancellation: cancellation)
        defer { bridge.end() }
        return try Check.run(repository, options: checkOptions, monitor: monitor)
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
