import Archive
import Bytes
import ObjectStore
import Operations
import Synchronization
import TestSupport
import Testing

@Suite struct ReplicateTests {
    private static let now: Int64 = 2_000_000_000
    private static let all = [
        "config", "keys/a", "packs/ab/abc", "packs/cd/cde", "indexes/i", "fences/f", "segments/s", "snapshots/t",
        "audit/u",
    ]

    /// A store with one object in every folder, each holding its own name.
    private func makeSource() throws -> MemoryStore {
        let store = MemoryStore()
        for path in Self.all + ["leases/l", "condemned/c", "suspects/s"] {
            try store.put(ObjectName(trusted: path), path)
        }
        return store
    }

    @discardableResult
    private func replicate(
        _ source: any ObjectStore, _ replica: any ObjectStore, at time: Int64 = now,
        _ change: (inout ReplicateOptions) -> Void = { _ in }
    ) throws -> ReplicateReport {
        var options = ReplicateOptions()
        options.copies = 2
        change(&options)
        return try Replicate(
            from: source, to: replica, options: options, progress: JobProgress(), cancellation: Cancellation(),
            now: time
        ).run()
    }

    @Test func everythingButLeasesAndWhatIsCondemnedIsCopied() throws {
        let source = try makeSource(), replica = MemoryStore()
        let report = try replicate(source, replica) { $0.verify = true }
        #expect(report.copiedObjects == Self.all.count)
        #expect(report.verifiedObjects == Self.all.count)
        #expect(try replica.names("").filter { $0 != "leases/replica" } == Self.all.sorted())
        for path in Self.all { #expect(try replica.text(ObjectName(trusted: path)) == path) }
        #expect(try replicate(source, replica).copiedObjects == 0)
        let status = try ReplicaStatus(of: replica, source: source)
        #expect(status.missingObjects == 0)
        #expect(status.lag == 0)
        #expect(status.lastSuccess == Self.now)
    }

    /// Whatever put is the last one, what is there refers only to what is there; and the next run ends it.
    @Test func whatIsThereIsAlwaysARepository() throws {
        let source = try makeSource()
        let rank = ["keys/": 0, "config": 1, "packs/": 2, "indexes/": 3, "fences/": 4, "segments/": 5, "snapshots/": 6]
        for allowed in 0...Self.all.count {
            let replica = MemoryStore()
            let order = Mutex<[String]>([])
            let cut = FaultInjectingStore(replica) { call in
                guard call.operation == .put else { return nil }
                if call.number > allowed { return .stop }
                order.withLock { $0.append(call.path) }
                return nil
            }
            #expect(throws: CairnError.self) { try replicate(source, cut) { $0.copies = 1 } }
            let ranks = order.withLock { $0 }.compactMap { path in rank.first { path.hasPrefix($0.key) }?.value }
            #expect(ranks == ranks.sorted())
            try replicate(source, replica)
            #expect(try ReplicaStatus(of: replica, source: source).missingObjects == 0)
        }
    }

    /// A medium that does not keep what it was given is found out by reading back, and the next run mends the copy.
    @Test func badCopiesAreRemoved() throws {
        let source = try makeSource(), replica = MemoryStore()
        let pack = ObjectName(trusted: "packs/ab/abc")
        let faulty = FaultInjectingStore(replica) { call in
            call.operation == .put && call.path == pack.path ? .flipBit(5) : nil
        }
        let error = expectError(.corrupt) { try replicate(source, faulty) { $0.verify = true } }
        #expect(error?.message.contains("replicate again") == true)
        #expect(try replica.stat(pack) == nil)
        try replicate(source, replica) { $0.verify = true }
        #expect(try replica.text(pack) == pack.path)
        // One that somebody else put is not ours to remove.
        let raced = MemoryStore()
        let racing = FaultInjectingStore(raced) { call in
            if call.operation == .put, call.path == pack.path { try? raced.put(pack, "another") }
            return nil
        }
        expectError(.corrupt) { try replicate(source, racing) { $0.verify = true } }
        #expect(try raced.text(pack) == "another")
    }

    /// A damaged object of the source takes no good copy's place.
    @Test func whatIsThereIsNeverReplaced() throws {
        let source = try makeSource(), replica = MemoryStore()
        try replicate(source, replica)
        let pack = ObjectName(trusted: "packs/ab/abc")
        try source.put(pack, "damaged and longer", mode: .replace)
        let report = try replicate(source, replica) { $0.prune = true }
        #expect(report.differing == [pack.path])
        #expect(try replica.text(pack) == pack.path)
        #expect(try ReplicaStatus(of: replica, source: source).differing == 1)
    }

    @Test func repositoriesAreNotMixed() throws {
        let source = try makeSource(), replica = MemoryStore()
        try replica.put(ObjectName(trusted: "config"), "another")
        expectError(.usage) { try replicate(source, replica) }
        expectError(.noRepository) { try replicate(MemoryStore(), replica) }
        #expect(try replica.names("") == ["config"])
    }

    @Test func deletionsWaitOutTheirGrace() throws {
        let source = try makeSource(), replica = MemoryStore()
        try replicate(source, replica)
        let snapshot = ObjectName(trusted: "snapshots/t")
        try source.delete(snapshot)
        try source.put(ObjectName(trusted: "snapshots/newer"), "n")
        #expect(try replicate(source, replica) { $0.grace = 100 }.waitingObjects == 1)
        #expect(
            try replicate(source, replica, at: Self.now + 99) {
                $0.prune = true; $0.grace = 100
            }.deletedObjects == 0)
        // Without --prune the time passes, and nothing is deleted.
        #expect(try replicate(source, replica, at: Self.now + 200) { $0.grace = 100 }.deletedObjects == 0)
        let dry = try replicate(source, replica, at: Self.now + 200) {
            $0.prune = true; $0.grace = 100; $0.dryRun = true
        }
        #expect(dry.deletedObjects == 1)
        #expect(try replica.stat(snapshot) != nil)
        #expect(
            try replicate(source, replica, at: Self.now + 200) {
                $0.prune = true; $0.grace = 100
            }.deletedObjects == 1)
        #expect(try replica.stat(snapshot) == nil)
        #expect(try replica.stat(ObjectName(trusted: "snapshots/newer")) != nil)
    }

    /// Something that comes back, as a spared object does, begins its grace anew when it goes again.
    @Test func aKeyGoesAtOnce() throws {
        let source = try makeSource(), replica = MemoryStore()
        try replicate(source, replica)
        try source.put(ObjectName(trusted: "keys/b"), "b")
        try source.delete(ObjectName(trusted: "keys/a"))
        #expect(try replicate(source, replica) { $0.prune = true }.deletedObjects == 1)
        #expect(try replica.names("keys/") == ["keys/b"])
    }

    /// One that was promoted belongs to others, also when that happens while it is copied to.
    @Test func aPromotedReplicaIsLeftAlone() throws {
        let source = try makeSource(), replica = MemoryStore()
        expectError(.noRepository) { _ = try Promotion(of: replica).promote() }
        try replicate(source, replica)
        let report = try Promotion(of: replica).promote()
        #expect(report.changed && report.snapshots == 1 && report.lastSuccess == Self.now)
        #expect(try !Promotion(of: replica).promote().changed)
        try source.put(ObjectName(trusted: "snapshots/newer"), "n")
        expectError(.usage) { try replicate(source, replica) { $0.prune = true } }
        #expect(try replica.stat(ObjectName(trusted: "snapshots/newer")) == nil)
        #expect(try ReplicaStatus(of: replica, source: source).isRepository)
        #expect(try Promotion(of: replica).demote().changed)
        #expect(try !Promotion(of: replica).demote().changed)

        let promoting = FaultInjectingStore(source) { call in
            do {
                if call.operation == .get, call.path == "snapshots/newer" { _ = try Promotion(of: replica).promote() }
            } catch {
                Issue.record(error)
            }
            return nil
        }
        expectError(.held) { try replicate(promoting, replica) }
        #expect(try replica.stat(Names.replicaMark) == nil)
    }

    /// Maintenance merges index objects and removes the old ones while they are copied.
    @Test func whatVanishesMeanwhileIsLookedForAgain() throws {
        let base = try makeSource()
        let index = ObjectName(trusted: "indexes/i")
        let source = FaultInjectingStore(base) { call in
            guard call.operation == .get, call.path == index.path else { return nil }
            do {
                try base.put(ObjectName(trusted: "indexes/merged"), "merged")
                try base.delete(index)
            } catch {
                Issue.record(error)
            }
            return nil
        }
        let replica = MemoryStore()
        try replicate(source, replica)
        #expect(try replica.names("indexes/") == ["indexes/merged"])
        #expect(try ReplicaStatus(of: replica, source: source).missingObjects == 0)
    }
}
