import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// Runs written, read back through `LayeredCursor` and `LayerTable`, and compared with a dictionary.
/// format-spec.md §9.2 [F-8] [F-9] [F-10].
@Suite struct LayerTests {
    private static let options = WriterOptions(workers: 2, level: 1, streams: 4, packTarget: 1 << 16, packsPerIndex: 3)

    private static func writer(_ repository: Repository) throws -> ArchiveWriter {
        ArchiveWriter(repository: repository, index: try .load(repository), options: options)
    }

    @Test(arguments: UInt64(0)..<24) func layersAreWhatADictionarySays(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let repository = try Engine.makeRepository()
        let writer = try Self.writer(repository)
        let collections = try (0..<3).map { number in
            let base = random.pick([0, 1, 50, 700])
            let changes = (0..<random.integer(0..<7)).map { version in
                LayeredCollection.randomChange(&random, limit: max(10, base + base / 4), version: version + 1)
            }
            return try LayeredCollection.write("db.c\(number)", base: base, changes, with: writer)
        }
        let snapshot = try Layers.commit(collections, with: writer)
        let expected = Dictionary(uniqueKeysWithValues: collections.map { ($0.namespace, $0.expected) })
        #expect(snapshot.totals.documents == expected.values.reduce(0) { $0 + $1.count })
        // The least budgets make many partitions.
        for budget in [LayerTable.standardBudget, 4096, 300] {
            let contents = try Layers.contents(snapshot, of: repository, budget: budget)
            #expect(contents == expected, "seed \(seed), budget \(budget)")
        }
        let report = try Check.run(repository, options: CheckOptions(data: .all, workers: 1))
        #expect(report.isSound && report.leftovers.isEmpty, "seed \(seed): \(report.damage)")
    }

    @Test func thePartitionsDivideTheIdentities() throws {
        let repository = try Engine.makeRepository()
        let writer = try Self.writer(repository)
        let change = RunChange(puts: Dictionary(uniqueKeysWithValues: (0..<20_000).map { ($0, 1) }))
        let collection = try LayeredCollection.write("a.a", base: 1, [change], with: writer)
        _ = try Layers.commit([collection], with: writer)
        let partitions = LayerTable.partitions(for: collection.entry.runs, budget: 80_000)
        #expect(partitions.count > 5 && partitions.count < 12)
        let index = try repository.loadIndex()
        var count = 0
        for partition in partitions {
            let reader = ChunkReader(repository: repository, chunks: index)
            let table = try LayerTable(collection.entry.runs, reader: reader, partition: partition)
            count += table.count
            #expect(table.memoryFootprint <= 80_000)
            // A document without `_id` is live in one pass.
            let none: [UInt8] = []
            let isLive = table.isLive(none.rawSpan, layer: 0)
            #expect(isLive == (partition.index == 0))
        }
        #expect(count == 20_000)
    }

    @Test func theTableTakesLittleMemory() throws {
        for identities in [1_000, 100_000, 1_000_000] {
            var slots = LayerSlots(expecting: identities)
            var random = SeededGenerator(seed: 1)
            for _ in 0..<identities { slots.raise(random.next(), random.next(), to: 1) }
            #expect(slots.count == identities)
            #expect(slots.capacity * LayerSlots.bytesPerSlot <= identities * 24)
        }
    }

    /// More identities than were announced, as in an uneven partition; layers only rise.
    @Test func theTableGrows() throws {
        var slots = LayerSlots(expecting: 4)
        var random = SeededGenerator(seed: 2)
        var model: [UInt64: (high: UInt64, layer: Int)] = [:]
        for layer in 1...3 {
            for _ in 0..<2_000 {
                let low = random.next()
                let high = model[low]?.high ?? random.next()
                slots.raise(low, high, to: layer)
                model[low] = (high, layer)
            }
            for low in model.keys.sorted().prefix(500) {
                guard let high = model[low]?.high else { continue }
                slots.raise(low, high, to: layer)
                model[low] = (high, layer)
            }
        }
        #expect(slots.count == model.count)
        for (low, entry) in model {
            #expect(slots.layer(low, entry.high) == entry.layer)
            #expect(slots.layer(low, ~entry.high) == 0 && slots.layer(~low, entry.high) == 0)
        }
    }

    /// The highest layer does not touch the hash beside it.
    @Test func theTableHoldsAsManyLayersAsAnEntry() throws {
        var slots = LayerSlots(expecting: 8)
        #expect(FormatLimits.runsMax < 1 << 16)
        slots.raise(7, .max, to: FormatLimits.runsMax)
        #expect(slots.layer(7, .max) == FormatLimits.runsMax)
        #expect(slots.layer(7, .max << 16) == FormatLimits.runsMax, "48 bits of the second word are kept")
        #expect(slots.layer(7, 0) == 0)
    }

    /// What an incremental stores follows what changed: entries, leaf lists and chunks of the rest are shared.
    @Test func whatDidNotChangeIsNotStoredAgain() throws {
        let repository = try Engine.makeRepository()
        let first = try Self.writer(repository)
        var collections = try (0..<40).map {
            try LayeredCollection.write("db.c\($0)", base: 60, [], with: first)
        }
        let full = try Layers.commit(collections, with: first, kind: .full)
        #expect(!full.layered)
        let second = try Self.writer(repository)
        collections[3] = try collections[3].changed(RunChange(puts: [5: 1, 900: 1], removals: [6]), with: second)
        let incremental = try Layers.commit(collections, with: second, at: 6)
        #expect(incremental.layered && incremental.optime == OpTime(timestamp: incremental.at, term: 1))
        #expect(Set(full.catalogue).subtracting(incremental.catalogue).count <= 2)
        #expect(full.catalogue.count > 3 && second.progress.newChunks == 1)
        // The same run once more: nothing new but what names it.
        let third = try Self.writer(repository)
        var again = collections
        again[3] = try again[3].changed(RunChange(puts: [5: 1, 900: 1], removals: [6]), with: third)
        _ = try Layers.commit(again, with: third, at: 7)
        #expect(third.progress.newChunks == 0 && third.progress.chunks == 1)
        let contents = try Layers.contents(incremental, of: repository)
        #expect(contents["db.c3"] == collections[3].expected && contents["db.c0"]?.count == 60)
    }

    /// Several threads read documents back, each into a stream of its own.
    @Test func aRunTakesStreamsOfSeveralThreads() throws {
        let repository = try Engine.makeRepository()
        let writer = try Self.writer(repository)
        let base = try LayeredCollection.write("a.a", base: 100, [], with: writer)
        let run = writer.makeRunWriter()
        for part in [0..<30, 30..<60] {
            try run.put(
                try Engine.feed(part.map { LayeredCollection.document($0, 4) }, to: writer.makeStream()))
        }
        let extra = LayeredCollection.document(70, 4).bytes
        try run.put(document: extra.rawSpan, identity: try DocumentIdentity.idBytes(of: extra.rawSpan))
        var entry = base.entry
        entry.runs = [try run.finish(delta: 0)]
        #expect(entry.runs[0].documents == 61 && entry.totalLeafCount == entry.leafCount + entry.runs[0].leafCount)
        var expected = base.expected
        for number in Array(0..<60) + [70] { expected[number] = 4 }
        let snapshot = try Layers.commit(
            [LayeredCollection(namespace: "a.a", entry: entry, expected: expected)], with: writer)
        #expect(try Layers.contents(snapshot, of: repository) == ["a.a": expected])
    }

    /// [V-6]
    @Test func runsInASnapshotOfVersionOneAreDamage() throws {
        let repository = try Engine.makeRepository()
        let writer = try Self.writer(repository)
        let entry = try LayeredCollection.write("a.a", base: 9, [RunChange(puts: [1: 1])], with: writer).entry
        let draft = Engine.draft(
            try writer.store(documents: [entry.encode()], type: .catalogue), Snapshot.Totals(of: [entry]), at: 1)
        let snapshot = try writer.commit(draft)
        expectError(.corrupt) { _ = try Layers.contents(snapshot, of: repository) }
        let report = try Check.run(repository, options: CheckOptions(workers: 1))
        #expect(report.incompleteSnapshots == [snapshot.id])
    }

    @Test func runsThatContradictThemselvesAreDamage() throws {
        let repository = try Engine.makeRepository()
        let writer = try Self.writer(repository)
        let whole = try LayeredCollection.write(
            "a.a", base: 9, [RunChange(puts: [1: 1], removals: [2, 3])], with: writer)
        let changes: [(inout Run) -> Void] = [
            { $0.removed += 1 }, { $0.removals = [] }, { $0.delta = 2 }, { $0.delta = -10 },
            { $0.leaves = .inline([]) }, { $0.leaves = .lists($0.removals) }, { $0.removals = [$0.leaves.firstChunk] },
        ]
        for change in changes {
            var entry = whole.entry
            change(&entry.runs[0])
            if case .inline(let leaves) = entry.runs[0].leaves { entry.runs[0].leafCount = leaves.count }
            #expect(throws: CairnError.self) {
                let decoded = try CatalogueEntry(entry.encode(), object: "entry")
                let reader = ChunkReader(repository: repository, chunks: try repository.loadIndex())
                _ = try LayerTable(decoded.runs, reader: reader)
            }
        }
    }
}

extension CatalogueEntry.Leaves {
    fileprivate var firstChunk: ChunkID {
        guard case .inline(let leaves) = self, let leaf = leaves.first else { return SHA256.hash([0].rawSpan) }
        return leaf.chunk
    }
}
