internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Synchronization

/// The threads that decode chunks and insert their documents.
struct InsertCrew {
    let state: ArchivedState
    let target: MongoDeployment
    let options: Restore.Options
    let digest: DocumentDigest?
    let progress: JobProgress
    let cancellation: Cancellation

    /// Inserts all documents of `items`.
    ///
    /// - Returns: what became of each item, in their order.
    /// - Throws: the first error of any thread; all have stopped then.
    func insert(_ items: [RestoreItem], workers: Int) throws -> [InsertOutcome] {
        progress.begin(
            phase: "restore", totalCollections: items.count,
            totalDocuments: items.reduce(0) { $0 + $1.entry.liveDocuments },
            totalBytes: items.reduce(0) { $0 + $1.entry.totalRawBytes })
        let outcomes = Outcomes(items)
        try state.forEachWave { wave in
            guard !outcomes.hasFailed else { return }
            let collections = items.map { wave[$0.collection.number] }
            insert(collections, of: items, workers, outcomes)
        }
        return try outcomes.finish()
    }

    private func insert(
        _ collections: [ArchivedCollection?], of items: [RestoreItem], _ workers: Int, _ outcomes: Outcomes
    ) {
        let queue = PieceQueue(collections, state.reader)
        let threads = (0..<workers).map { number in
            OwnedThread(name: "cairn-insert-\(number)") {
                do {
                    var inserter = try InsertThread(crew: self, items: items, outcomes: outcomes)
                    try inserter.run(queue, collections)
                } catch { outcomes.fail(error) }
            }
        }
        for thread in threads { thread.join() }
    }
}

/// What all threads did, and what went wrong first.
final class Outcomes: Sendable {
    private struct State {
        var outcomes: [InsertOutcome]
        var failure: (any Error)?
    }

    private let state: Mutex<State>

    init(_ items: [RestoreItem]) {
        state = Mutex(State(outcomes: items.map { InsertOutcome(namespace: $0.target.description) }))
    }

    func add(_ outcome: InsertOutcome, item: Int) { state.withLock { $0.outcomes[item].add(outcome) } }

    func fail(_ error: any Error) { state.withLock { if $0.failure == nil { $0.failure = error } } }

    /// Whether some thread failed; the others stop then.
    var hasFailed: Bool { state.withLock { $0.failure != nil } }

    func finish() throws -> [InsertOutcome] {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            return state.outcomes
        }
    }
}

/// One of the threads. It owns a connection, a chunk reader and a buffer, and an inserter for the collection at hand.
private struct InsertThread {
    private let crew: InsertCrew
    private let items: [RestoreItem]
    private let outcomes: Outcomes
    private let client: MongoClient
    private let pieces: PieceReader
    private var inserter: BulkInserter?
    private var item = -1
    private var outcome = InsertOutcome(namespace: "")
    /// What the inserter had done when progress was last told.
    private var told = (documents: 0, bytes: 0)

    init(crew: InsertCrew, items: [RestoreItem], outcomes: Outcomes) throws {
        self.crew = crew
        self.items = items
        self.outcomes = outcomes
        client = try crew.target.checkOut()
        pieces = PieceReader(crew.state.reader)
    }

    mutating func run(_ queue: PieceQueue, _ collections: [ArchivedCollection?]) throws {
        while !outcomes.hasFailed, let next = queue.next() {
            var piece = next
            try insert(piece, collections)
            while !outcomes.hasFailed, let following = queue.finished(piece) {
                piece = following
                try insert(piece, collections)
            }
        }
        try settle()
    }

    private mutating func insert(_ piece: PieceQueue.Piece, _ collections: [ArchivedCollection?]) throws {
        try crew.cancellation.check()
        switch piece {
        case .leaf(let leaf, let layer, let overlay, let item):
            try begin(item)
            try insert(leaf, layer, overlay)
        case .new(let fold, let item):
            try begin(item)
            let pieces = pieces
            try pieces.forEachNewDocument(of: fold, isComplete: !crew.options.salvage) { try insert($0) }
            tellProgress()
        case .whole(let item):
            try begin(item)
            try insertInOrder(collections[item] ?? items[item].collection)
        case .damage(let error, let item):
            try begin(item)
            try lose("a leaf list", documents: nil, error)
        }
    }

    private struct Stopped: Error {}

    private mutating func insertInOrder(_ collection: ArchivedCollection) throws {
        let (crew, outcomes, pieces) = (crew, outcomes, pieces)
        do {
            try pieces.read(
                collection, of: crew.state.reader,
                damaged: { leaf, error in try lose(leaf, in: collection, error) }
            ) { documents in
                if outcomes.hasFailed { throw Stopped() }
                try crew.cancellation.check()
                try insert(documents)
            }
        } catch is Stopped {}
    }

    private mutating func insert(_ leaf: Leaf, _ layer: Int, _ overlay: Overlay?) throws {
        do {
            try pieces.fetch(leaf)
        } catch let error as CairnError where error.code == .corrupt {
            return try lose(leaf, in: items[item].collection, error)
        }
        let pieces = pieces
        try pieces.forEachSpan(layer: layer, through: overlay) { try insert($0) }
        tellProgress()
    }

    private mutating func insert(_ documents: RawSpan) throws {
        if let digest = crew.digest { try digest.add(chunk: documents, to: &outcome.digest) }
        try inserter?.insert(documents: documents)
    }

    private mutating func lose(_ leaf: Leaf?, in collection: ArchivedCollection, _ error: CairnError) throws {
        guard let leaf else { return try lose("a leaf list", documents: nil, error) }
        // Some of a leaf's documents may have been replaced or removed since.
        let documents = collection.isPlain ? leaf.documents : nil
        try lose("\(leaf.documents) documents\(leaf.identityRange)", documents: documents, error)
    }

    /// A damaged chunk costs exactly its documents: salvaging goes on behind it, a plain restore stops.
    private mutating func lose(_ what: String, documents: Int?, _ error: CairnError) throws {
        let namespace = items[item].entry.namespace
        guard crew.options.salvage else {
            throw CairnError(
                .corrupt,
                "damage in the repository costs \(what) of \(namespace). The target is not complete. `cairn check "
                    + "--read-data` lists all damage; "
                    + "--salvage restores everything else", object: error.object, offset: error.offset,
                underlying: error)
        }
        outcome.lostDocuments = outcome.lostDocuments.flatMap { own in documents.map { own + $0 } }
        outcome.lost.append(RestoreReport.Failure(namespace: namespace, subject: what, reason: error.description))
    }

    private mutating func begin(_ next: Int) throws {
        guard next != item else { return }
        try settle()
        item = next
        let info = items[next].info
        outcome = InsertOutcome(namespace: info.namespace.description)
        told = (0, 0)
        crew.progress.enter(collection: outcome.namespace)
        var insertion = BulkInserter.Options()
        insertion.writeConcern = crew.options.writeConcernDocument
        insertion.isOrdered = info.isCapped
        inserter = try BulkInserter(client: client, namespace: info.dataNamespace, options: insertion)
    }

    /// Sends what is left of the collection at hand and books it.
    private mutating func settle() throws {
        guard let inserter else { return }
        try inserter.flush()
        tellProgress()
        outcome.documents = inserter.insertedDocuments
        outcome.rawBytes = inserter.insertedBytes
        outcome.omittedFailures = inserter.failureCount - inserter.failures.count
        outcome.failures += inserter.failures.map {
            RestoreReport.Failure(
                namespace: outcome.namespace, subject: $0.id.identityText, reason: "\($0.message) (code \($0.code))")
        }
        outcomes.add(outcome, item: item)
        self.inserter = nil
        item = -1
    }

    private mutating func tellProgress() {
        guard let inserter else { return }
        let now = (documents: inserter.insertedDocuments, bytes: inserter.insertedBytes)
        crew.progress.add(documents: now.documents - told.documents, bytesIn: now.bytes - told.bytes)
        crew.progress.add(bytesStored: now.bytes - told.bytes)
        told = now
    }
}
