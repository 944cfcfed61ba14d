internal import Bytes

/// Puts the selected namespaces of a snapshot into a deployment.
public struct Restore: Sendable {
    /// What was asked for.
    public let options: Options
    /// Where the counters go.
    public let progress: JobProgress
    /// The flag that stops the job.
    public let cancellation: Cancellation

    /// Prepares the job; nothing is touched before `run`.
    public init(options: Options, progress: JobProgress, cancellation: Cancellation) {
        self.options = options
        self.progress = progress
        self.cancellation = cancellation
    }

    /// Runs the job on the calling thread and threads of its own.
    public func run() throws -> RestoreReport {
        throw CairnError(.usage, "not in this build")
    }
}
