public import Bytes
import Synchronization

/// How much `Check` looks at.
public struct CheckOptions: Sendable {
    /// How much of the packs is read.
    public enum Data: Hashable, Sendable {
        /// Only their directories.
        case none
        /// A share of the packs, chosen by `seed`: the same seed chooses the same packs. At least one, when there
        /// is any.
        case subset(percent: Double, seed: UInt64)
        /// Every pack.
        case all
    }

    /// How much of the packs is read.
    public var data: Data
    /// Threads that read packs.
    public var workers: Int

    /// - Precondition: `workers` is positive, a percentage lies between 0 and 100.
    public init(data: Data = .none, workers: Int) {
        precondition(workers > 0)
        if case .subset(let percent, _) = data { precondition((0...100).contains(percent)) }
        self.data = data
        self.workers = workers
    }
}

/// What was looked at, what was found.
public struct CheckReport: Sendable {
    /// Everything that is wrong. Empty: sound as far as was looked.
    public var damage: [Damage] = []
    /// Packs that no snapshot or segment needs: left by interrupted backups or by forgotten snapshots. The next backup
    /// uses what is in them.
    public var leftovers: [RandomID] = []
    /// Those of them that no index object names.
    public var unindexed: [RandomID] = []
    /// Packs that index objects name and that are gone, without any loss: nothing needs what was in them, or it is
    /// found in others. A prune can leave such an entry, when an index object of a writer lands late (format-spec.md
    /// §11.1 [D-8]). No damage, but worth a word: a disk that loses packs may begin like this.
    public var missingPacks: [RandomID] = []
    /// Objects whose name no writer of this format makes. They do no harm, but nobody knows what they are.
    public var unknownObjects: [String] = []
    /// Snapshots that can be read whole, as far as was looked.
    public var soundSnapshots: [RandomID] = []
    /// Snapshots of which something cannot be read.
    public var incompleteSnapshots: [RandomID] = []
    /// Segments that can be read whole, as far as was looked.
    public var soundSegments: [RandomID] = []
    /// Segments of which something cannot be read.
    public var incompleteSegments: [RandomID] = []
    /// Packs in the store.
    public var packs = 0
    /// Those of them that lie in an archive tier: nothing of them was read, and their index was believed.
    public var archivedPacks = 0
    /// Chunks that index objects name.
    public var chunks = 0
    /// Packs whose data was read.
    public var packsRead = 0
    /// Chunks that were decrypted, decoded and hashed.
    public var chunksRead = 0
    /// Documents that were validated.
    public var documentsRead = 0
    /// Raw bytes of the chunks that were read.
    public var rawBytesRead = 0

    /// Whether nothing is wrong.
    public var isSound: Bool { damage.isEmpty }

    /// An empty report.
    public init() {}
}

/// Lets another thread see how far a check is, and stop it.
public final class CheckMonitor: Sendable {
    private let packsTotal = Atomic(0)
    private let packsDone = Atomic(0)
    private let rawBytes = Atomic(0)
    private let cancelled = Atomic(false)

    /// Nothing done yet.
    public init() {}

    /// Packs to be read in the current phase, packs read, and raw bytes decoded.
    public var progress: (packsTotal: Int, packsDone: Int, rawBytes: Int) {
        (
            packsTotal.load(ordering: .relaxed), packsDone.load(ordering: .relaxed),
            rawBytes.load(ordering: .relaxed)
        )
    }

    /// Ends the check soon, with `.interrupted`.
    public func cancel() { cancelled.store(true, ordering: .relaxed) }

    func begin(packs: Int) {
        packsTotal.store(packs, ordering: .relaxed)
        packsDone.store(0, ordering: .relaxed)
    }

    func finishPack(rawBytes count: Int) {
        packsDone.raise(by: 1)
        rawBytes.raise(by: count)
    }

    func requireNotCancelled() throws {
        guard !cancelled.load(ordering: .relaxed) else {
            throw CairnError(.interrupted, "the check was stopped before it was through")
        }
    }
}
