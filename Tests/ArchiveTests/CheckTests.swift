import Archive
import BSON
import Bytes
import ObjectStore
import Testing

/// A store whose objects tests may damage.
struct Tampering {
    let store: any ObjectStore

    func names(_ prefix: String = "") throws -> [ObjectName] {
        var names: [ObjectName] = []
        try store.list(prefix: prefix) { names.append($0.name) }
        return names.sorted()
    }

    func bytes(_ name: ObjectName) throws -> [UInt8] {
        let buffer = Buffer(capacity: 0)
        try store.get(name, into: buffer)
        return buffer.array
    }

    func replace(_ name: ObjectName, _ bytes: [UInt8]) throws {
        try store.delete(name)
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
    }

    /// Runs `body` while the object has other bytes, and puts the right ones back.
    func with(_ name: ObjectName, _ bytes: [UInt8]?, _ body: () throws -> Void) throws {
        let original = try self.bytes(name)
        if let bytes { try replace(name, bytes) } else { try store.delete(name) }
        try body()
        try replace(name, original)
    }
}

@Suite struct CheckTests {
    private static let all = CheckOptions(data: .all, workers: 1)
    private static let structure = CheckOptions(workers: 1)

    private struct Subject {
        let repository: Repository
        let tampering: Tampering
        let expected: [RandomID: [String: [BSONDocument]]]
    }

    /// Two snapshots, the second of which shares most of the first, with leaf lists; an audit record and a lease.
    private static func makeSubject() throws -> Subject {
        let repository = try Engine.makeRepository()
        var data: SampleData = [
            "shop.orders": [Engine.documents(0..<150, size: 200)], "shop.users": [Engine.documents(0..<3)],
        ]
        let options = WriterOptions(workers: 1, level: 3, streams: 1)
        let first = try Engine.backUp(data, to: repository, options: options)
        var expected = [first.id: Engine.expected(data)]
        data["shop.orders"]![0][70] = Engine.document(70, size: 200, version: 1)
        let second = try Engine.backUp(data, to: repository, options: options, at: 2)
        expected[second.id] = Engine.expected(data)
        for snapshot in [first, second] {
            let details: BSONDocument = ["snapshot": .string(snapshot.id.hex)]
            try repository.appendAudit(operation: "backup full", program: "test", details: details)
        }
        return Subject(repository: repository, tampering: Tampering(store: repository.store), expected: expected)
    }

    /// Whatever is damaged: what can be read is right, or reading says that it cannot be.
    private func expectNoWrongDocument(_ subject: Subject, _ repository: Repository, _ context: Comment) {
        for (id, expected) in subject.expected {
            guard let snapshot = try? repository.snapshot(id),
                let contents = try? Engine.contents(snapshot, of: repository)
            else { continue }
            #expect(contents == expected, context)
        }
    }

    /// Opens and checks; true when something was found. A repository that does not open was found damaged by opening.
    private func isFound(_ subject: Subject, _ options: CheckOptions, reading: Bool = true, _ context: Comment) throws
        -> Bool
    {
        let repository: Repository
        do {
            repository = try Repository.open(store: subject.repository.store, key: Engine.key)
        } catch is CairnError {
            return true
        }
        if reading { expectNoWrongDocument(subject, repository, context) }
        return try !Check.run(repository, options: options).isSound
    }

    @Test func aSoundRepositoryIsSound() throws {
        let subject = try Self.makeSubject()
        let report = try Check.run(subject.repository, options: Self.all)
        #expect(report.damage == [])
        #expect(report.isSound && report.unknownObjects.isEmpty && report.incompleteSnapshots.isEmpty)
        #expect(report.soundSnapshots == subject.expected.keys.sorted())
        #expect(report.leftovers.isEmpty)
        #expect(report.packsRead == report.packs && report.chunksRead == report.chunks)
        #expect(report.documentsRead > 150 && report.rawBytesRead > 0)
    }

    @Test func everyFlippedByteIsFound() throws {
        let subject = try Self.makeSubject()
        var generator = SystemRandomNumberGenerator()
        for name in try subject.tampering.names() {
            let bytes = try subject.tampering.bytes(name)
            let isPack = name.path.hasPrefix("packs/")
            // Every byte of what frames a pack, and samples of the chunks in it.
            for offset in bytes.indices where !isPack || offset < 64 || offset > bytes.count - 300 || offset % 97 == 0 {
                var damaged = bytes
                damaged[offset] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                let context: Comment = "\(name), byte \(offset): \(bytes[offset]) became \(damaged[offset])"
                try subject.tampering.with(name, damaged) {
                    let options = isPack ? Self.all : Self.structure
                    let found = try isFound(subject, options, reading: offset % 8 == 0, context)
                    #expect(found, context)
                }
            }
        }
        #expect(try Check.run(subject.repository, options: Self.all).isSound)
    }

    /// A catalogue that can be read, of a collection most of whose leaf lists cannot: each one is bad, not only the
    /// first that is met.
    @Test func aCollectionThatLacksManyLeafListsIsReported() throws {
        let repository = try Engine.makeRepository()
        let tampering = Tampering(store: repository.store)
        var documents = Engine.documents(0..<2_000)
        let first = try Engine.backUp(["a.a": [documents]], to: repository)
        let indexes = try tampering.names("indexes/")
        documents[1_000] = Engine.document(1_000, version: 1)
        let second = try Engine.backUp(["a.a": [documents]], to: repository, at: 2)
        for name in indexes { try repository.store.delete(name) }
        let report = try Check.run(repository, options: Self.structure)
        #expect(!report.isSound && report.incompleteSnapshots == [first.id, second.id].sorted())
    }

    @Test func truncatedAndExtendedObjectsAreFound() throws {
        let subject = try Self.makeSubject()
        for name in try subject.tampering.names() {
            let bytes = try subject.tampering.bytes(name)
            for count in [0, 1, 47, bytes.count / 2, bytes.count - 1] {
                try subject.tampering.with(name, Array(bytes.prefix(count))) {
                    let found = try isFound(subject, Self.structure, "\(name)")
                    #expect(found, "\(name) cut to \(count)")
                }
            }
            try subject.tampering.with(name, bytes + [0]) {
                let found = try isFound(subject, Self.structure, "\(name)")
                #expect(found, "\(name) with a byte more")
            }
        }
    }

    @Test func missingObjectsAreFound() throws {
        let subject = try Self.makeSubject()
        // Nothing names the newest audit record.
        let heads = try subject.repository.verifyAudit().heads.map { Names.object(.audit, $0) }
        for name in try subject.tampering.names() where !heads.contains(name) {
            try subject.tampering.with(name, nil) {
                let found = try isFound(subject, Self.structure, "\(name)")
                #expect(found, "\(name) is missing")
            }
        }
    }

    @Test func swappedObjectsOfOneKindAreFound() throws {
        let subject = try Self.makeSubject()
        for folder in ["packs/", "indexes/", "snapshots/", "audit/"] {
            let names = try subject.tampering.names(folder)
            try #require(names.count >= 2)
            let (a, b) = (try subject.tampering.bytes(names[0]), try subject.tampering.bytes(names[1]))
            try subject.tampering.with(names[0], b) {
                try subject.tampering.with(names[1], a) {
                    let found = try isFound(subject, Self.structure, "\(folder)")
                    #expect(found, "swapped in \(folder)")
                }
            }
        }
    }

    @Test func objectsOfAnotherRepositoryAreFound() throws {
        let subject = try Self.makeSubject()
        let other = try Self.makeSubject()
        for folder in ["packs/", "indexes/", "snapshots/", "audit/", "keys/"] {
            let foreign = try #require(try other.tampering.names(folder).first)
            let bytes = try other.tampering.bytes(foreign)
            let own = try #require(try subject.tampering.names(folder).first)
            try subject.tampering.with(own, bytes) {
                let found = try isFound(subject, Self.structure, "\(folder)")
                #expect(found, "foreign object in place of \(own)")
            }
            if folder == "keys/" { continue }
            try subject.repository.store.put(foreign, bytes.rawSpan, mode: .ifAbsent)
            let found = try isFound(subject, Self.structure, "\(folder)")
            #expect(found, "foreign object \(foreign) beside the own ones")
            try subject.repository.store.delete(foreign)
        }
    }

    @Test func strangeNamesAreReportedAndHarmless() throws {
        let subject = try Self.makeSubject()
        let strange = ["packs/ab/readme.txt", "notes", "snapshots/latest"]
        for name in strange {
            try subject.repository.store.put(ObjectName(name)!, [1].rawSpan, mode: .ifAbsent)
        }
        let report = try Check.run(subject.repository, options: Self.all)
        #expect(report.isSound)
        #expect(report.unknownObjects == strange.sorted())
    }

    @Test func leftoversAreNoDamage() throws {
        let subject = try Self.makeSubject()
        let writer = ArchiveWriter(
            repository: subject.repository, index: try .load(subject.repository), options: Engine.options)
        _ = try Engine.feed(Engine.documents(5_000..<6_000), to: writer.makeStream())
        try writer.flush()
        writer.abort()
        let indexes = try subject.tampering.names("indexes/")
        let report = try Check.run(subject.repository, options: Self.all)
        #expect(report.isSound && !report.leftovers.isEmpty && report.unindexed.isEmpty)
        // Without the index object that names them they are still no damage.
        for index in indexes {
            let bytes = try subject.tampering.bytes(index)
            try subject.repository.store.delete(index)
            let without = try Check.run(subject.repository, options: Self.structure)
            if without.isSound { #expect(without.unindexed == report.leftovers) }
            try subject.repository.store.put(index, bytes.rawSpan, mode: .ifAbsent)
        }
    }

    @Test func damageNamesWhatIsLost() throws {
        let subject = try Self.makeSubject()
        let repository = subject.repository
        let index = try repository.loadIndex()
        let snapshot = try #require(try repository.snapshots().first)
        let reader = SnapshotReader(repository: repository, chunks: index, snapshot: snapshot)
        var victim: (leaf: Leaf, location: ChunkLocation)?
        try reader.forEachEntry { entry in
            var leaves = reader.leaves(of: entry)
            while let leaf = try leaves.next() {
                if victim == nil, let location = index.lookup(leaf.chunk) { victim = (leaf, location) }
            }
        }
        let (leaf, location) = try #require(victim)
        let name = Names.pack(location.pack.id)
        var bytes = try subject.tampering.bytes(name)
        bytes[location.offset + 5] ^= 4
        try subject.tampering.replace(name, bytes)
        #expect(try Check.run(repository, options: Self.structure).isSound, "the structure is whole")
        let report = try Check.run(repository, options: Self.all)
        let damage = try #require(report.damage.first)
        #expect(report.damage.count == 1)
        #expect(damage.object == name.path && damage.offset == location.offset)
        #expect(damage.affected.count >= 1)
        let affected = try #require(damage.affected.first?.snapshot)
        #expect(
            damage.affected[0]
                == Affected(
                    snapshot: affected, namespace: "shop.orders", documents: leaf.documents, firstID: leaf.firstID,
                    lastID: leaf.lastID))
        #expect(report.incompleteSnapshots.contains(snapshot.id))

        // Everything but the damaged chunk comes back.
        let chunks = reader.makeChunkReader()
        var lost = 0
        var read = 0
        try reader.forEachEntry { entry in
            var leaves = reader.leaves(of: entry)
            while let leaf = try leaves.next() {
                let buffer = Buffer(capacity: 0)
                do {
                    try chunks.read(leaf.chunk, type: .documents, into: buffer)
                    read += leaf.documents
                } catch { lost += leaf.documents }
            }
        }
        #expect(lost == leaf.documents && lost + read == snapshot.totals.documents)
    }

    @Test func aSubsetReadsSomePacksAndTheSameOnesForASeed() throws {
        let repository = try Engine.makeRepository()
        let options = WriterOptions(workers: 1, streams: 1, packTarget: 1 << 16)
        let documents: [BSONDocument] = (0..<3_000).map {
            ["_id": .int32(Int32($0)), "x": .binary(subtype: 0, SecureRandom.bytes(1_000))]
        }
        try Engine.backUp(["a.a": [documents]], to: repository, options: options)
        let monitor = CheckMonitor()
        let half = CheckOptions(data: .subset(percent: 50, seed: 1), workers: 2)
        let report = try Check.run(repository, options: half, monitor: monitor)
        #expect(report.packs > 20 && report.packsRead > 0 && report.packsRead < report.packs)
        #expect(monitor.progress.packsDone == report.packsRead && monitor.progress.rawBytes == report.rawBytesRead)
        #expect(try Check.run(repository, options: half).rawBytesRead == report.rawBytesRead)
        let little = CheckOptions(data: .subset(percent: 0.0001, seed: 1), workers: 2)
        #expect(try Check.run(repository, options: little).packsRead == 1)
        monitor.cancel()
        #expect { try Check.run(repository, options: half, monitor: monitor) } throws: {
            ($0 as? CairnError)?.code == .interrupted
        }
    }
}
