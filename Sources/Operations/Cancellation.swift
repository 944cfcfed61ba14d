internal import Bytes
internal import Synchronization

/// A request to stop, set by a signal handler's thread and polled by the operations between batches.
///
/// A flag instead of thread cancellation: every stage stops at a point of its own choosing, so that leases are
/// released and nothing half-written counts.
public final class Cancellation: Sendable {
    private let requested = Atomic<Bool>(false)

    /// Creates a flag that is not set.
    public init() {}

    /// Asks every operation that polls this flag to stop. Setting it twice is harmless.
    public func cancel() {
        requested.store(true, ordering: .releasing)
    }

    /// Whether a stop was asked for. One relaxed load: cheap enough for every batch, not for every document.
    public var isCancelled: Bool {
        requested.load(ordering: .relaxed)
    }

    /// Throws `CairnError(.interrupted)` once a stop was asked for.
    public func check() throws {
        if isCancelled {
            throw CairnError(.interrupted, "interrupted; nothing was committed, and the same command can be run again")
        }
    }
}
