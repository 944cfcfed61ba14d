internal import Archive
internal import BSON
internal import Bytes
internal import Oplog
internal import Synchronization

/// Reads whole states and says what is in them: a digest of each collection, in parallel.
struct StateDigest {
    let digest: DocumentDigest
    let progress: JobProgress
    let cancellation: Cancellation
    /// Whether the digest of a capped collection says in which order its documents are: for comparisons of which the
    /// other side says so too.
    var ordersCapped = true

    /// The digests of the collections of `state`, in their order.
    ///
    /// - Parameter wanted: whether to read a collection.
    /// - Throws: `.corrupt` for what cannot be read, and where snapshot and oplog do not fit.
    func sums(
        of state: ArchivedState, threads: Int, wanted: (ArchivedCollection) -> Bool = { _ in true }
    ) throws -> [DocumentDigest.Sum] {
        let shared = SharedDigests(count: state.collections.count)
        try state.forEachWave { wave in
            add(wave.map { $0.flatMap { wanted($0) ? $0 : nil } }, of: state, threads, shared)
        }
        return try shared.finish()
    }

    private func add(
        _ wave: [ArchivedCollection?], of state: ArchivedState, _ threads: Int, _ shared: SharedDigests
    ) {
        let queue = PieceQueue(wave, state.reader)
        let workers = (0..<max(1, threads)).map { number in
            OwnedThread(name: "cairn-digest-\(number)") {
                do {
                    let pieces = PieceReader(state.reader)
                    while !shared.hasFailed, let next = queue.next() {
                        var piece: PieceQueue.Piece? = next
                        while let current = piece {
                            try cancellation.check()
                            let (item, sum) = try self.sum(of: current, in: wave, pieces, state)
                            shared.add(sum, item)
                            piece = queue.finished(current)
                        }
                    }
                } catch { shared.fail(error) }
            }
        }
        for worker in workers { worker.join() }
    }

    private func sum(
        of piece: PieceQueue.Piece, in wave: [ArchivedCollection?], _ pieces: PieceReader, _ state: ArchivedState
    ) throws -> (item: Int, sum: DocumentDigest.Sum) {
        var sum = DocumentDigest.Sum()
        var bytes = 0
        func add(_ documents: RawSpan, ordered: Bool = false) throws {
            bytes += documents.byteCount
            try digest.add(chunk: documents, to: &sum, ordered: ordered)
        }
        let number: Int
        switch piece {
        case .leaf(let leaf, let layer, let overlay, let item):
            number = item
            try pieces.fetch(leaf)
            try pieces.forEachSpan(layer: layer, through: overlay) { try add($0) }
        case .new(let fold, let item):
            number = item
            try pieces.forEachNewDocument(of: fold, isComplete: true) { try add($0) }
        case .whole(let item):
            number = item
            guard let collection = wave[item] else { preconditionFailure("a piece of no collection") }
            try pieces.read(collection, of: state.reader) { try add($0, ordered: ordersCapped) }
        case .damage(let error, _): throw error
        }
        progress.add(documents: sum.documents, bytesIn: bytes)
        return (number, sum)
    }
}

/// What the threads found.
private final class SharedDigests: Sendable {
    private struct State {
        var sums: [DocumentDigest.Sum]
        var failure: (any Error)?
    }

    private let state: Mutex<State>

    init(count: Int) {
        state = Mutex(State(sums: Array(repeating: DocumentDigest.Sum(), count: count)))
    }

    var hasFailed: Bool { state.withLock { $0.failure != nil } }

    func add(_ sum: DocumentDigest.Sum, _ item: Int) { state.withLock { $0.sums[item].add(sum) } }

    func fail(_ error: any Error) { state.withLock { if $0.failure == nil { $0.failure = error } } }

    func finish() throws -> [DocumentDigest.Sum] {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            return state.sums
        }
    }
}
