import Archive
import BSON
import Bytes
import ObjectStore
import Oplog
import TestSupport
import Testing

@testable import Operations

/// Archived states against what was there: layers, windows of the oplog, both, and windows that memory does not hold.
@Suite struct ArchivedStateTests {
    @Test(arguments: 0..<12)
    func everyTimeIsReadAsItWas(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let server = try PaperServer()
        for id in 0..<120 { if id == 0 { server.create("first") } else { server.insert(id, into: "first") } }
        try server.snapshot(full: true)
        try server.segment()
        for _ in 0..<4 {
            for _ in 0..<random.integer(0..<120) { try server.act(&random, ids: 150) }
            // Snapshots lie inside segments as well as between them; segments overlap.
            if random.once(in: 2) { try server.snapshot(full: random.once(in: 4)) }
            for _ in 0..<random.integer(0..<40) { try server.act(&random, ids: 150) }
            try server.segment(from: random.once(in: 3) ? server.segments.last?.from.timestamp : nil)
        }
        let chunks = try server.repository.loadIndex()
        let timeline = try server.repository.timeline(of: nil)
        let first = try #require(timeline.ranges.first?.from)
        #expect(timeline.ranges.count == 1)
        let times = server.past.keys.filter { $0 >= first }.sorted()
        for _ in 0..<25 {
            let time = random.pick(times)
            let route = try timeline.route(to: time)
            let state = try ArchivedState(route, repository: server.repository, chunks: chunks)
            let expected = try #require(server.past[time])
            try Self.expect(state, holds: expected, "seed \(seed), \(time)")
        }
    }

    /// The budget holds a few dozen operations: the rest comes in waves.
    @Test func windowsThatMemoryDoesNotHoldAreFoldedInParts() throws {
        var random = SeededGenerator(seed: 5)
        let server = try PaperServer()
        server.create("first")
        server.create("log", isCapped: true)
        server.create("idle")
        for id in 0..<200 { server.insert(id, into: "first") }
        server.insert(1, into: "idle")
        try server.snapshot(full: true)
        for _ in 0..<1_500 { try server.act(&random, ids: 300) }
        try server.segment()
        let route = try server.repository.timeline(of: nil).route(to: server.now)
        let chunks = try server.repository.loadIndex()
        var waves = 0
        let state = try ArchivedState(
            route, repository: server.repository, chunks: chunks, budget: 96 << 10)
        try state.forEachWave { _ in waves += 1 }
        #expect(waves > 2)
        try Self.expect(state, holds: server.contents, "in waves")
        // Both ways of reading give the same, the parallel one too.
        let whole = try ArchivedState(route, repository: server.repository, chunks: chunks)
        let digest = StateDigest(
            digest: DocumentDigest(), progress: JobProgress(), cancellation: Cancellation())
        #expect(try digest.sums(of: state, threads: 3) == digest.sums(of: whole, threads: 3))
        #expect(throws: CairnError.self) {
            try ArchivedState(route, repository: server.repository, chunks: chunks, budget: 1)
        }
    }

    @Test func damageInASegmentNamesTheTimesLost() throws {
        let store = MemoryStore()
        let server = try PaperServer(store)
        server.create("first")
        try server.snapshot(full: true)
        for id in 0..<50 { server.insert(id, into: "first") }
        try server.segment()
        let cut = server.now
        for id in 50..<90 { server.insert(id, into: "first") }
        let segment = try server.segment()
        let chunks = try server.repository.loadIndex()
        let location = try #require(chunks.lookup(segment.chunks[0].chunk))
        try Self.damage(store, location)
        let timeline = try server.repository.timeline(of: nil)
        let error = #expect(throws: CairnError.self) {
            try ArchivedState(timeline.route(to: server.now), repository: server.repository, chunks: chunks)
        }
        #expect(error?.code == .corrupt)
        #expect(error?.message.contains(cut.asTime) == true && error?.message.contains(server.now.asTime) == true)
        let before = try ArchivedState(timeline.route(to: cut), repository: server.repository, chunks: chunks)
        try Self.expect(before, holds: try #require(server.past[cut]), "before the damage")
    }

    /// A follower and an incremental save the same operations twice: what is damaged in one is read from the other.
    @Test func overlappingSegmentsStandInForADamagedOne() throws {
        let store = MemoryStore()
        let server = try PaperServer(store)
        server.create("first")
        try server.snapshot(full: true)
        let start = server.now
        for id in 0..<200 { server.insert(id, into: "first") }
        let early = try server.segment()
        for id in 200..<400 { server.insert(id, into: "first") }
        let late = try server.segment()
        let whole = try server.segment(from: start)
        let own = Set(whole.chunks.map(\.chunk)).subtracting((early.chunks + late.chunks).map(\.chunk))
        let chunks = try server.repository.loadIndex()
        let timeline = try server.repository.timeline(of: nil)
        #expect(timeline.segmentsLeading(from: start, to: server.now).map(\.id) == [whole.id])
        let victim = try #require(own.first)
        try Self.damage(store, try #require(chunks.lookup(victim)))
        let times = server.past.keys.sorted()
        for time in [server.now, times[times.count / 2], times[times.count - 20]] {
            let state = try ArchivedState(timeline.route(to: time), repository: server.repository, chunks: chunks)
            try Self.expect(state, holds: try #require(server.past[time]), "\(time)")
        }
        // Where none stands in, it is an error as ever.
        for chunk in late.chunks {
            guard let location = chunks.lookup(chunk.chunk) else { continue }
            try Self.damage(store, location)
        }
        #expect(throws: CairnError.self) {
            try ArchivedState(timeline.route(to: server.now), repository: server.repository, chunks: chunks)
        }
    }

    /// A segment object that cannot be read costs its own times, and is never taken for a gap of nobody's making.
    @Test func aDamagedSegmentObjectCostsItsTimesAlone() throws {
        let store = MemoryStore()
        let server = try PaperServer(store)
        server.create("first")
        try server.snapshot(full: true)
        for id in 0..<5 { server.insert(id, into: "first") }
        try server.segment()
        let cut = server.now
        for id in 5..<9 { server.insert(id, into: "first") }
        let lost = try server.segment()
        let name = try #require(ObjectName("segments/\(lost.id.hex)"))
        try store.delete(name)
        try store.put(name, [UInt8](repeating: 1, count: 200).rawSpan, mode: .ifAbsent)
        let timeline = try server.repository.timeline(of: nil)
        let state = try server.repository.state(
            at: .time(.operation(cut), set: nil), chunks: server.repository.loadIndex())
        try Self.expect(state, holds: try #require(server.past[cut]), "before the damage")
        for selection in [TimeSelection.operation(server.now), .latest] {
            let error = #expect(throws: CairnError.self) { try timeline.route(to: selection, now: 0) }
            #expect(error?.code == .corrupt && error?.object?.contains(lost.id.hex) == true)
        }
    }

    /// What the oplog changes must be there: a history that does not fit is never passed over.
    @Test func aHistoryThatDoesNotFitIsRefused() throws {
        let server = try PaperServer()
        server.create("first")
        server.insert(1, into: "first")
        server.insert(2, into: "first")
        let early = try server.snapshot(full: true)
        try server.delete(2, from: "first")
        let late = try server.snapshot(full: true)
        try server.update(1, version: 2, in: "first")
        try server.segment(from: early.at)
        let chunks = try server.repository.loadIndex()
        // The same operations on the later snapshot: the delete finds nothing.
        var forged = late
        forged.at = early.at
        let route = Timeline.Route(base: forged, segments: server.segments, time: server.now)
        let state = try ArchivedState(route, repository: server.repository, chunks: chunks)
        let error = #expect(throws: CairnError.self) { try Self.contents(of: state) }
        #expect(error?.code == .corrupt && error?.message.contains("_id 2") == true, "\(String(describing: error))")
    }

    // MARK: Helpers

    /// Every collection with its documents: those of capped collections in order, others sorted.
    static func contents(of state: ArchivedState) throws -> [String: [BSONDocument]] {
        let pieces = PieceReader(state.reader)
        var found = Dictionary(
            uniqueKeysWithValues: state.collections.map { ($0.entry.namespace, [BSONDocument]()) })
        try state.forEachWave { wave in
            for case let collection? in wave {
                try pieces.read(collection, of: state.reader) { span in
                    var documents = DocumentBatch.Chunk(span)
                    while let document = try documents.next() {
                        found[collection.entry.namespace]?.append(try BSONDocument(copying: document))
                    }
                }
            }
        }
        for collection in state.collections where !collection.isCapped {
            found[collection.entry.namespace] = sorted(found[collection.entry.namespace] ?? [])
        }
        return found
    }

    private static func sorted(_ documents: [BSONDocument]) -> [BSONDocument] {
        documents.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    }

    static func expect(_ state: ArchivedState, holds expected: PaperServer.Contents, _ comment: String) throws {
        let wanted = expected.mapValues { $0.isCapped ? $0.documents : sorted($0.documents) }
        let found = try contents(of: state)
        #expect(Set(found.keys) == Set(wanted.keys), "\(comment)")
        for (namespace, documents) in wanted {
            #expect(found[namespace] == documents, "\(comment): \(namespace)")
        }
        for collection in state.collections {
            #expect(collection.entry.uuid == expected[collection.entry.namespace]?.uuid, "\(comment)")
            guard let count = collection.documents else { continue }
            #expect(count == wanted[collection.entry.namespace]?.count, "\(comment)")
        }
    }

    /// Changes a byte of one chunk where it is stored.
    private static func damage(_ store: MemoryStore, _ location: ChunkLocation) throws {
        var names: [ObjectName] = []
        try store.list(prefix: "packs/") { if $0.name.path.hasSuffix(location.pack.id.hex) { names.append($0.name) } }
        let buffer = Buffer(capacity: 0)
        try store.get(names[0], into: buffer)
        var bytes = [UInt8](buffer.bytes)
        bytes[location.offset] ^= 1
        try store.delete(names[0])
        try store.put(names[0], bytes.rawSpan, mode: .ifAbsent)
    }
}
