public import Bytes
public import ObjectStore

/// Puts good copies from replicas in the place of damaged and lost objects.
///
/// What a replica gives is believed no more than any other store: each object is authenticated, of a pack each chunk is
/// decrypted and hashed, before it is put. What was damaged is copied aside first, as in any repair.
public enum Healing {
    /// A replica.
    public struct Source: Sendable {
        /// What the user calls it.
        public let name: String
        /// Where its objects are.
        public let store: any ObjectStore

        /// A replica under that name.
        public init(name: String, store: any ObjectStore) {
            self.name = name
            self.store = store
        }
    }

    /// What became of one damaged or lost object.
    public struct Outcome: Sendable {
        /// The object.
        public let name: ObjectName
        /// Whether it was there, damaged.
        public let wasThere: Bool
        /// The replica that a good copy came from; nil when none has one.
        public var from: String?
        /// Where the damaged one was copied to; nil when it was lost, could not be read, or nothing was put.
        public var copy: ObjectName?
        /// Why nothing was put; nil when something was.
        public var failure: String?
    }

    /// Checks that these are replicas of `repository`.
    ///
    /// - Throws: `.usage` for one of another repository, `.noRepository`.
    static func requireReplicas(_ sources: [Source], of repository: Repository) throws {
        for source in sources where try Repository.peek(store: source.store).id != repository.config.id {
            throw CairnError(.usage, "`\(source.name)` is no replica: it holds another repository")
        }
    }

    /// Puts back what a repository cannot be opened without: its `config`, and its key objects where none can be used.
    ///
    /// - Throws: `.usage` when another repository lies in `store`; `failure` when nothing helps.
    public static func restoreEntrance(
        of store: any ObjectStore, from sources: [Source], key: KeySource, failure: CairnError
    ) throws -> [Outcome] {
        var names: [ObjectName] = []
        for folder in [Names.keys, ObjectKind.chunk.folder] { try store.list(prefix: folder) { names.append($0.name) } }
        // In an empty place nothing was lost.
        guard !names.isEmpty else { throw failure }
        for source in sources {
            guard let theirs = try? Repository.open(store: source.store, key: key) else { continue }
            if let ours = try? Repository.peek(store: store), ours.id != theirs.config.id {
                throw CairnError(.usage, "`\(source.name)` is no replica: it holds another repository")
            }
            let healer = Healer(
                store: store, repository: theirs, sources: [source], aside: store, folder: newFolder())
            var wanted = [Names.config]
            if try KeyStore.list(store, repository: theirs.config.id).objects.isEmpty {
                wanted += try KeyStore.list(source.store, repository: theirs.config.id).objects.map {
                    Names.key($0.key.id)
                }
            }
            return try wanted.compactMap { try healer.heal($0) }
        }
        throw failure
    }

    static func newFolder() -> String { Repair.folder + RandomID.random().hex + "/" }
}

/// Heals one object after the other. `repository` opens what the replicas give; what is healed lies in `store`.
struct Healer {
    let store: any ObjectStore
    let repository: Repository
    let sources: [Healing.Source]
    /// Where copies of the damaged objects go, and below what.
    let aside: any ObjectStore
    let folder: String

    /// The objects that an examination found to be damaged or lost.
    func named(in found: Check.Examination) -> [ObjectName] {
        found.report.damage.compactMap { ObjectName($0.object) }.filter(isReplicated)
    }

    /// The snapshots and segments that replicas have and this store has not, and that nobody is known to have removed:
    /// nothing refers to them, so only a replica can tell that one is lost. Void ones are no loss.
    func unmissed() throws -> [ObjectName] {
        var names: [ObjectName] = []
        var removed = Check.removedNames(try repository.verifyAudit().records)
        let present = Set(try repository.snapshotIDs() + repository.segmentIDs())
        for source in sources {
            let theirs = view(source.store)
            removed.formUnion(Check.removedNames(try theirs.verifyAudit().records))
            let snapshots = try theirs.snapshots(damaged: { _, _ in }).filter { !present.contains($0.id) }
            let segments = try theirs.segments(damaged: { _, _ in }).filter { !present.contains($0.id) }
            names += try repository.valid(segments).map { Names.object(.segment, $0.id) }
            names += try repository.valid(snapshots).map { Names.object(.snapshot, $0.id) }
        }
        return names.filter { !removed.contains($0.path) }
    }

    /// The packs in which replicas have chunks that cannot be read, and after them the index objects that say so: for
    /// chunks whose pack nothing names any more, or that were in another pack when they were copied.
    func holders(of chunks: Set<ChunkID>) throws -> [ObjectName] {
        guard !chunks.isEmpty else { return [] }
        var packs: [ObjectName] = []
        var indexes: [ObjectName] = []
        for source in sources {
            try view(source.store).forEachIndex(damaged: { _, _ in }) { id, index in
                let holders = index.packs.filter { pack in pack.entries.contains { chunks.contains($0.id) } }
                packs += holders.map { Names.pack($0.identity.id) }
                if !holders.isEmpty { indexes.append(Names.object(.index, id)) }
            }
        }
        return packs + indexes
    }

    /// Puts a good copy of `name` where it is damaged or lost.
    ///
    /// - Returns: nil when it is there just as a replica has it: the damage is about something else.
    func heal(_ name: ObjectName) throws -> Healing.Outcome? {
        let current = Buffer(capacity: 0)
        let isReadable = try read(name, store, into: current)
        var outcome = Healing.Outcome(name: name, wasThere: try isReadable || store.stat(name) != nil)
        outcome.failure = "no replica has it"
        for source in sources {
            let good = Buffer(capacity: 0)
            guard try read(name, source.store, into: good) else { continue }
            do {
                try verify(name, good)
            } catch let error as CairnError where error.isDamage {
                outcome.failure = "`\(source.name)` has it damaged: \(error.message)"
                continue
            }
            if isReadable, spansEqual(good.bytes, current.bytes) { return nil }
            outcome.from = source.name
            return try replace(name, current: isReadable ? current : nil, by: good, outcome)
        }
        return outcome
    }

    private func replace(
        _ name: ObjectName, current: Buffer?, by good: Buffer, _ planned: Healing.Outcome
    ) throws -> Healing.Outcome {
        var outcome = planned
        if let current {
            let copy = ObjectName(trusted: folder + name.path)
            try aside.put(copy, current.bytes, mode: .ifAbsent)
            outcome.copy = copy
        }
        do {
            try store.put(name, good.bytes, mode: outcome.wasThere ? .replace : .ifAbsent)
            outcome.failure = nil
        } catch let error as CairnError where error.code == .immutable {
            outcome.failure = error.message
        }
        return outcome
    }

    /// - Returns: false when the object is lost, or the store itself says that it is damaged.
    private func read(_ name: ObjectName, _ store: any ObjectStore, into buffer: Buffer) throws -> Bool {
        do {
            try store.get(name, into: buffer)
            return true
        } catch let error as CairnError where error.code == .notFound || error.code == .corrupt {
            return false
        }
    }

    /// Leases and what maintenance is about belong to one store, and are in no replica.
    private func isReplicated(_ name: ObjectName) -> Bool {
        if name == Names.config || Names.keyID(of: name) != nil { return true }
        let kinds: [ObjectKind] = [.chunk, .index, .snapshot, .segment, .audit, .fence]
        return kinds.contains { Names.id(of: name, kind: $0) != nil }
    }

    /// The repository as it is in another store.
    private func view(_ store: any ObjectStore) -> Repository {
        Repository(
            store: store, config: repository.config, keys: repository.keys, openedBy: repository.openedBy,
            surroundings: repository.surroundings)
    }

    /// - Throws: what is wrong with `bytes` as the object `name`.
    private func verify(_ name: ObjectName, _ bytes: Buffer) throws {
        let memory = MemoryStore()
        try memory.put(name, bytes.bytes, mode: .ifAbsent)
        let alone = view(memory)
        if name == Names.config {
            try RepositoryConfig.authenticate(bytes.bytes, verificationKey: repository.keys.verificationKey)
        } else if Names.keyID(of: name) != nil {
            var problem: CairnError?
            if try alone.listKeys(damaged: { problem = $0 }).isEmpty {
                throw problem ?? CairnError(.corrupt, "it is of another repository", object: name.path)
            }
        } else if let id = Names.id(of: name, kind: .chunk) {
            let verifier = PackVerifier(
                repository: alone, monitor: CheckMonitor(), documentsOfChunk: [:], oplogChunks: [:])
            guard let finding = try verifier.verify([id], workers: 1).findings.first else { return }
            throw CairnError(.corrupt, finding.damage.message, object: name.path, offset: finding.damage.offset)
        } else if let id = Names.id(of: name, kind: .index) {
            _ = try alone.readIndex(id)
        } else if let id = Names.id(of: name, kind: .snapshot) {
            _ = try Snapshot(id: id, try alone.readSealed(kind: .snapshot, id: id))
        } else if let id = Names.id(of: name, kind: .segment) {
            _ = try Segment(id: id, try alone.readSealed(kind: .segment, id: id))
        } else if let id = Names.id(of: name, kind: .audit) {
            _ = try alone.readAudit(id, codec: alone.makeSealedObjects())
        } else if let id = Names.id(of: name, kind: .fence) {
            _ = try Fence(lease: id, try alone.readSealed(kind: .fence, id: id))
        }
    }
}
