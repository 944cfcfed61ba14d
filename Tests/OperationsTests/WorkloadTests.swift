import Archive
import BSON
import Bytes
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Operations

/// The proof (design §2): whatever clients do, every snapshot and every time between is the server's own state.
@Suite struct WorkloadTests {
    /// A run that failed is repeated, as far as clients that race each other can be, by its seed and its steps.
    private static let seed = setting("CAIRN_WORKLOAD_SEED") ?? UInt64.random(in: 0 ... .max)
    private static let phases = 4
    private static let steps = setting("CAIRN_WORKLOAD_STEPS").map { Int($0) } ?? 80
    private static let timesPerPhase = 4

    private static func setting(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    /// A real server's states, and the archive that must have them.
    private struct Proof {
        let rig: Rig
        let databases: [String]
        var problems: [String] = []
        var documents = 0
        var sampled = 0

        /// Compares what the archive has at `truth.time` with it.
        mutating func compare(_ truth: ServerState, _ moment: Moment, _ what: String) throws {
            let state = try archived(at: moment)
            var left = truth.collections
            for collection in state.collections {
                let entry = collection.entry
                guard let own = left.removeValue(forKey: entry.namespace) else {
                    problems.append("\(what): \(entry.namespace) is only in the archive")
                    continue
                }
                let documents = try documents(of: collection, state)
                self.documents += documents.count
                var differences: [String] = []
                if entry.kind.rawValue != own.kind { differences.append("kind") }
                if entry.uuid != own.uuid { differences.append("uuid") }
                if entry.options.asSet != own.options {
                    differences.append("options \(entry.options.asSet), server \(own.options)")
                }
                if entry.indexesByName != own.indexes {
                    differences.append("indexes \(entry.indexesByName), server \(own.indexes)")
                }
                differences += Proof.differences(documents, own.documents)
                if !differences.isEmpty { problems.append("\(what): \(entry.namespace): \(differences)") }
            }
            for name in left.keys.sorted() { problems.append("\(what): \(name) is only on the server") }
        }

        /// Compares the documents at a time in the midst of writes, of all collections that the server can still read.
        mutating func sample(_ moment: Moment, at time: Timestamp, _ client: WireClient) throws {
            let state = try archived(at: moment)
            for collection in state.collections where collection.entry.kind != .view {
                let entry = collection.entry
                guard let uuid = entry.uuid,
                    let own = try ServerState.documents(client, db: entry.database, uuid: uuid, at: time)
                else { continue }
                sampled += 1
                let differences = try Proof.differences(documents(of: collection, state), own)
                if !differences.isEmpty { problems.append("at \(time): \(entry.namespace): \(differences)") }
            }
        }

        private func archived(at moment: Moment) throws -> ArchivedState {
            let repository = try rig.access.open()
            return try repository.state(at: moment, chunks: try repository.loadIndex())
        }

        private func documents(of collection: ArchivedCollection, _ state: ArchivedState) throws -> [[UInt8]] {
            var found: [[UInt8]] = []
            try PieceReader(state.reader).read(collection, of: state.reader) { span in
                try DocumentBatch.forEachDocument(inChunk: span) { found.append([UInt8]($0)) }
            }
            return found
        }

        private static func differences(_ archived: [[UInt8]], _ own: [[UInt8]]) -> [String] {
            guard archived != own else { return [] }
            let (left, right) = (Set(archived), Set(own))
            // Without order, in capped collections too: clients that insert at once get their places in the oplog and
            // in the collection independently of each other, so a secondary's order is another as well.
            if left == right, archived.count == own.count { return [] }
            let example = left.symmetricDifference(right).first.flatMap { try? BSONDocument(validating: $0)["_id"] }
            return [
                "\(archived.count) documents, server \(own.count); \(left.subtracting(right).count) only in the "
                    + "archive, \(right.subtracting(left).count) only on the server, such as _id \(example as Any)"
            ]
        }
    }

    @Test(.enabled(if: Rig.isAvailable, Comment(rawValue: Rig.absence)))
    func everyTimeIsTheServersOwnState() throws {
        print("seed of the workload: \(Self.seed)")
        let source = try ThrowawayServer()
        let rig = try Rig(source: source.uri)
        let databases = [Rig.database(), Rig.database()]
        let include = databases.map { $0 + ".*" }
        let workload = Workload(uri: source.uri, databases: databases, seed: Self.seed)
        let client = try source.connect()
        _ = try workload.run(steps: Self.steps)
        try Self.backup(rig, include)
        var proof = Proof(rig: rig, databases: databases)
        for phase in 1...Self.phases {
            let times = try workload.run(steps: Self.steps)
            let truth = try ServerState.capture(client, databases: databases)
            try Self.backup(rig, include)
            // The time is behind the snapshot before, and so folded; the snapshot was read from the server.
            try proof.compare(truth, .time(.operation(truth.time), set: nil), "time of quiet \(phase)")
            try proof.compare(truth, .snapshot("latest"), "snapshot of quiet \(phase)")
            var random = SeededGenerator(seed: Self.seed &+ UInt64(phase))
            for _ in 0..<Self.timesPerPhase {
                let time = random.pick(times)
                try proof.sample(.time(.operation(time), set: nil), at: time, client)
            }
        }
        print("\(workload.summary); \(proof.documents) documents at quiet points, \(proof.sampled) collections between")
        #expect(proof.problems.isEmpty, "seed \(Self.seed): \(proof.problems.prefix(20).joined(separator: "\n"))")
        let replay = try CheckReplay(access: rig.access).run()
        // Neighbours, and the oldest with the newest.
        #expect(replay.pairs.count == Self.phases + 1)
        #expect(replay.isSound, "\(replay.pairs.flatMap(\.differences))")
        try workload.settle()
        try Self.backup(rig, include)
        try rig.restore { $0.moment = .time(.latest, set: nil) }
        let differences = try rig.differences(Set(databases)).filter { !$0.contains("order of documents in capped") }
        #expect(differences.isEmpty, "seed \(Self.seed): \(differences.prefix(20).joined(separator: "\n"))")
    }

    /// Snapshots whose time lies in the midst of writes and definitions.
    @Test(.enabled(if: Rig.isAvailable, Comment(rawValue: Rig.absence)))
    func snapshotsBesideWritersAreExact() throws {
        let seed = Self.seed &+ 1
        print("seed of the workload beside backups: \(seed)")
        let source = try ThrowawayServer()
        let rig = try Rig(source: source.uri)
        let databases = [Rig.database(), Rig.database()]
        let include = databases.map { $0 + ".*" }
        let workload = Workload(uri: source.uri, databases: databases, seed: seed)
        let client = try source.connect()
        let times = Mutex<[Timestamp]>(try workload.run(steps: Self.steps))
        let writer = Background(source.uri) { _, _ in
            let more = try workload.run(steps: Self.steps / 3)
            times.withLock { $0 += more }
        }
        for number in 1...Self.phases {
            do { try Self.backup(rig, include) } catch {
                Issue.record("seed \(seed), \(Self.steps) steps: backup \(number) beside writers threw \(error)")
            }
        }
        do { try writer.stop() } catch { Issue.record("seed \(seed): the workload itself threw \(error)") }
        try Self.backup(rig, include)
        var proof = Proof(rig: rig, databases: databases)
        let snapshots = try rig.access.open().snapshots()
        for snapshot in snapshots {
            try proof.sample(.snapshot(snapshot.id.hex), at: snapshot.at, client)
        }
        var random = SeededGenerator(seed: seed)
        let between = times.withLock { $0 }.filter { $0 > snapshots[0].at }
        for _ in 0..<Self.timesPerPhase where !between.isEmpty {
            let time = random.pick(between)
            do { try proof.sample(.time(.operation(time), set: nil), at: time, client) } catch let error as CairnError
                // What `$out` was filling when the first snapshot was taken is in none, up to the second.
                where error.code == .incomplete && time < snapshots[1].at
            { print("at \(time): \(error)") }
        }
        print("\(workload.summary); \(snapshots.count) snapshots, \(proof.sampled) collections compared")
        #expect(proof.problems.isEmpty, "seed \(seed): \(proof.problems.prefix(20).joined(separator: "\n"))")
        let replay = try CheckReplay(access: rig.access).run()
        #expect(replay.isSound, "seed \(seed): \(replay.pairs.flatMap(\.differences))")
    }

    private static func backup(_ rig: Rig, _ include: [String]) throws {
        var options = FullBackup.Options(
            repository: rig.access, source: DeploymentAccess(uri: rig.source, serverSelectionTimeoutSeconds: 20))
        options.include = include
        options.level = 1
        _ = try Backup(.automatic, options: options, progress: JobProgress(), cancellation: Cancellation()).run()
    }
}
