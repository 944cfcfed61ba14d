import Synchronization

/// What a writer has done so far: a snapshot of counters that other threads keep raising.
public struct WriterProgress: Hashable, Sendable {
    /// Chunks of documents that went through the workers.
    public var chunks = 0
    /// Those of them that the repository did not hold.
    public var newChunks = 0
    /// Raw bytes of all chunks of documents.
    public var rawBytes = 0
    /// Bytes put into the object store: packs and indexes.
    public var addedBytes = 0
    /// Packs put.
    public var packs = 0
    /// Where the workers' time went.
    public var stages = StageTimes()

    /// Nothing done.
    public init() {}
}

/// CPU nanoseconds that threads spent in each stage, summed over the threads.
public struct StageTimes: Hashable, Sendable {
    /// HMAC-SHA-256 of the plaintext.
    public var hash = 0
    /// zstd.
    public var compress = 0
    /// Decoding again and comparing.
    public var verify = 0
    /// AES-256-GCM.
    public var seal = 0
    /// Putting packs; waiting for the disk is not in it.
    public var put = 0

    /// No time spent.
    public init() {}
}

/// The counters behind `WriterProgress`. Relaxed: they order nothing.
final class WriterStatistics: Sendable {
    let chunks = Atomic(0)
    let newChunks = Atomic(0)
    let rawBytes = Atomic(0)
    let addedBytes = Atomic(0)
    let packs = Atomic(0)
    let hash = Atomic(0)
    let compress = Atomic(0)
    let verify = Atomic(0)
    let seal = Atomic(0)
    let put = Atomic(0)

    var progress: WriterProgress {
        var progress = WriterProgress()
        progress.chunks = chunks.load(ordering: .relaxed)
        progress.newChunks = newChunks.load(ordering: .relaxed)
        progress.rawBytes = rawBytes.load(ordering: .relaxed)
        progress.addedBytes = addedBytes.load(ordering: .relaxed)
        progress.packs = packs.load(ordering: .relaxed)
        progress.stages.hash = hash.load(ordering: .relaxed)
        progress.stages.compress = compress.load(ordering: .relaxed)
        progress.stages.verify = verify.load(ordering: .relaxed)
        progress.stages.seal = seal.load(ordering: .relaxed)
        progress.stages.put = put.load(ordering: .relaxed)
        return progress
    }
}

extension Atomic<Int> {
    /// Adds `amount` without ordering anything.
    @inline(__always)
    func raise(by amount: Int) { _ = add(amount, ordering: .relaxed) }
}

/// Splits the CPU time of one thread into stages: one clock reading a chunk and stage, some 200 ns each. CPU time,
/// because on a busy machine the time on the wall says more about the neighbours.
struct StageClock {
    private var last = Surroundings.threadNanoseconds()

    /// Forgets the time since the last call.
    mutating func skip() { last = Surroundings.threadNanoseconds() }

    /// Books the time since the last call.
    mutating func lap(_ counter: borrowing Atomic<Int>) {
        let now = Surroundings.threadNanoseconds()
        counter.raise(by: now - last)
        last = now
    }
}
