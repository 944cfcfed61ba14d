import Archive
import BSON
import Bytes
import TestSupport
import Testing

@testable import Operations

/// Comparisons of archived states against comparisons of what was there.
@Suite struct StateDiffTests {
    /// What differs, with the `_id`s.
    struct Outcome: Equatable {
        var isNew = false
        var isGone = false
        var added: Set<[UInt8]> = []
        var removed: Set<[UInt8]> = []
        var changed: Set<[UInt8]> = []
    }

    @Test(arguments: 0..<10)
    func anyTwoStatesAreComparedRightly(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let server = try PaperServer()
        server.create("first")
        for id in 0..<150 { server.insert(id, into: "first") }
        try server.snapshot(full: true)
        for _ in 0..<5 {
            for _ in 0..<random.integer(0..<60) { try server.act(&random, ids: 200) }
            try server.snapshot(full: random.once(in: 4))
        }
        for _ in 0..<30 { try server.act(&random, ids: 200) }
        try server.segment(from: server.snapshots[0].at)
        let chunks = try server.repository.loadIndex()
        let timeline = try server.repository.timeline(of: nil)
        var states: [ArchivedState] = []
        for snapshot in server.snapshots {
            let reader = SnapshotReader(repository: server.repository, chunks: chunks, snapshot: snapshot)
            states.append(try ArchivedState(reader))
        }
        for time in server.past.keys.filter({ $0 > server.snapshots[0].at }).shuffled(using: &random).prefix(5) {
            states.append(
                try ArchivedState(timeline.route(to: time), repository: server.repository, chunks: chunks))
        }
        for (from, to) in (0..<20).map({ _ in (random.pick(states), random.pick(states)) }) {
            let expected = try Self.expected(from, to, server)
            for partition in [1 << 20, 37] {
                let found = try Self.diff(from, to, partition: partition)
                #expect(found == expected, "seed \(seed), \(from.time) to \(to.time), \(partition) at a time")
            }
        }
    }

    @Test func equalChunksAreNotRead() throws {
        let server = try PaperServer()
        server.create("first")
        for id in 0..<300 { server.insert(id, into: "first") }
        let first = try server.snapshot(full: true)
        try server.update(7, version: 1, in: "first")
        let second = try server.snapshot(full: true)
        let third = try server.snapshot()
        try server.update(8, version: 1, in: "first")
        let fourth = try server.snapshot()
        func state(_ snapshot: Snapshot) throws -> ArchivedState {
            let chunks = try server.repository.loadIndex()
            return try ArchivedState(
                SnapshotReader(repository: server.repository, chunks: chunks, snapshot: snapshot))
        }
        func rest(_ from: Snapshot, _ to: Snapshot) throws -> (old: [Leaf], new: [Leaf]) {
            let (from, to) = (try state(from), try state(to))
            return try CommonLeaves.without(
                from.collections[0].entry, from.reader, to.collections[0].entry, to.reader)
        }
        let changed = try rest(first, second)
        #expect(changed.old.count == 1 && changed.new.count == 1)
        #expect(try Self.diff(state(first), state(second))[PaperServer.namespace("first")]?.changed.count == 1)
        #expect(try Self.diff(state(second), state(third))[PaperServer.namespace("first")] == Outcome())
        #expect(try Self.diff(state(third), state(fourth))[PaperServer.namespace("first")]?.changed.count == 1)
        #expect(try Self.diff(state(fourth), state(third))[PaperServer.namespace("first")]?.changed.count == 1)
    }

    @Test func documentsWithoutIdentityAreCounted() throws {
        let bare: [BSONDocument] = (0..<300).map { ["value": .int32(Int32($0 / 2))] }
        let server = try PaperServer()
        let first = try server.archive(bare)
        var changed = bare
        changed.remove(at: 10)
        changed.append(["value": .int32(77)])
        changed.append(["value": .string("new")])
        let second = try server.archive(changed)
        let chunks = try server.repository.loadIndex()
        let states = try [first, second].map {
            try ArchivedState(SnapshotReader(repository: server.repository, chunks: chunks, snapshot: $0))
        }
        var found: [Diff.Collection] = []
        try StateDiff(from: states[0], to: states[1]).forEachCollection { found.append($0) }
        #expect(found.map(\.added) == [2] && found.map(\.removed) == [1] && found.map(\.changed) == [0])
    }

    // MARK: Helpers

    private static func diff(
        _ from: ArchivedState, _ to: ArchivedState, partition: Int = 1 << 20
    ) throws -> [String: Outcome] {
        var outcomes: [String: Outcome] = [:]
        var named: [Diff.Collection] = []
        try StateDiff(from: from, to: to, partitionDocuments: partition) { namespace, change, identity in
            switch change {
            case .added: outcomes[namespace, default: Outcome()].added.insert([UInt8](identity))
            case .removed: outcomes[namespace, default: Outcome()].removed.insert([UInt8](identity))
            case .changed: outcomes[namespace, default: Outcome()].changed.insert([UInt8](identity))
            }
        }.forEachCollection { named.append($0) }
        for collection in named {
            outcomes[collection.namespace, default: Outcome()].isNew = collection.isNew
            outcomes[collection.namespace, default: Outcome()].isGone = collection.isGone
            let outcome = outcomes[collection.namespace]
            #expect(outcome?.added.count == collection.added && outcome?.removed.count == collection.removed)
            #expect(outcome?.changed.count == collection.changed)
        }
        var counted: [Diff.Collection] = []
        try StateDiff(from: from, to: to, partitionDocuments: partition).forEachCollection { counted.append($0) }
        #expect(counted == named)
        return outcomes
    }

    private static func expected(
        _ from: ArchivedState, _ to: ArchivedState, _ server: PaperServer
    ) throws -> [String: Outcome] {
        let (old, new) = (try #require(server.past[from.time]), try #require(server.past[to.time]))
        var outcomes: [String: Outcome] = [:]
        for namespace in Set(old.keys).union(new.keys) {
            func documents(_ contents: PaperServer.Contents) throws -> [[UInt8]: BSONDocument] {
                var found: [[UInt8]: BSONDocument] = [:]
                for document in contents[namespace]?.documents ?? [] {
                    let bytes = document.bytes
                    found[[UInt8](try DocumentIdentity.idBytes(of: bytes.rawSpan))] = document
                }
                return found
            }
            let (before, after) = (try documents(old), try documents(new))
            outcomes[namespace] = Outcome(
                isNew: old[namespace] == nil, isGone: new[namespace] == nil,
                added: Set(after.keys).subtracting(before.keys), removed: Set(before.keys).subtracting(after.keys),
                changed: Set(after.keys.filter { before[$0] != nil && before[$0] != after[$0] }))
        }
        return outcomes
    }
}
