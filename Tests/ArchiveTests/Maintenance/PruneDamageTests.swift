import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// Prune in a repository that something was lost from.
@Suite struct PruneDamageTests {
    private func options() -> PruneOptions {
        var options = PruneOptions()
        options.grace = 0
        return options
    }

    private func packs(_ store: MemoryStore) throws -> [ObjectName] {
        var names: [ObjectName] = []
        try store.list(prefix: ObjectKind.chunk.folder) { names.append($0.name) }
        return names
    }

    /// A pack is lost, the next backup stores its chunks anew: the index names both places, and only one of them is
    /// there. That one stays, whichever the index gives first.
    @Test func healedChunksStay() throws {
        for _ in 0..<8 {
            let store = MemoryStore()
            let repository = try Repository.create(store: store, parameters: .cheap, key: .keyFile(1))
            let first = try Engine.backUp(Engine.sample, to: repository)
            for name in try packs(store) { try store.delete(name) }
            let second = try Engine.backUp(Engine.sample, to: repository, at: 2)
            for _ in 0..<2 { _ = try Prune(repository, options: options()).run() }
            for snapshot in [first, second] {
                #expect(try Engine.restored(snapshot, of: repository) == Engine.expected(Engine.sample))
            }
        }
    }

    /// What is needed and nowhere stops prune before it removes anything.
    @Test func missingPacksStopIt() throws {
        let store = MemoryStore()
        let repository = try Repository.create(store: store, parameters: .cheap, key: .keyFile(1))
        try Engine.backUp(Engine.sample, to: repository)
        let old = try Engine.backUp(["a.b": [Engine.documents(7000..<7300)]], to: repository, at: 2)
        try store.delete(Names.object(.snapshot, old.id))
        let index = try repository.loadIndex()
        let needed = try Reachability(try Roots(repository), repository, index).chunks
        let victim = try #require(needed.compactMap { index.lookup($0) }.first { $0.type == .documents }).pack.id
        try store.delete(Names.pack(victim))
        let before = Set(try packs(store))
        let error = #expect(throws: CairnError.self) { try Prune(repository, options: options()).run() }
        #expect(error?.code == .corrupt)
        #expect(Set(try packs(store)) == before)
        #expect(try repository.condemned().isEmpty)
    }
}

extension Engine {
    /// What a restore yields: the places that a writer would rely on, so that a lost pack is none of them.
    fileprivate static func restored(
        _ snapshot: Snapshot, of repository: Repository
    ) throws -> [String: [BSONDocument]] {
        let reader = SnapshotReader(
            repository: repository, chunks: try WriterIndex.load(repository).chunks, snapshot: snapshot)
        let chunks = reader.makeChunkReader()
        var contents: [String: [BSONDocument]] = [:]
        let buffer = Buffer(capacity: 0)
        try reader.forEachEntry { entry in
            var leaves = reader.leaves(of: entry)
            var documents: [BSONDocument] = []
            while let leaf = try leaves.next() {
                buffer.removeAll()
                try chunks.read(leaf.chunk, type: .documents, into: buffer)
                try DocumentBatch.forEachDocument(inChunk: buffer.bytes) {
                    documents.append(try BSONDocument(copying: $0))
                }
            }
            contents[entry.namespace] = documents
        }
        return contents
    }
}
