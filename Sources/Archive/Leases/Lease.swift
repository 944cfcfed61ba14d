public import Bytes
import ObjectStore
import Synchronization

/// The right to write to a repository, or to maintain it, for as long as it is renewed. Safe to use from several
/// threads. format-spec.md §9.5 [G-2].
///
/// Acquiring writes the own lease first and looks at the others after that. Of two that exclude each other at least
/// the later one sees the other, whatever the timing; if both do, both give way, which is safe. Stores list what was
/// put before (`ObjectStore.list`).
///
/// A holder must ask `requireHeld` right before what cannot be taken back: a commit, a deletion. A machine that was
/// asleep past the expiry is found out there, before it acts on a right that it has lost.
public final class Lease: Sendable {
    /// How far clocks may be apart: 5 minutes. Others honour a lease that much longer than its holder.
    public static let clockSkewMargin: Int64 = 300_000
    /// How long a lease lasts unless renewed: 10 minutes; a job that was killed is in the way no longer than that
    /// and the margin.
    public static let standardDuration: Int64 = 600_000

    private struct State {
        var expires: Int64
        var loss: CairnError?
        var renewer: OwnedThread?
        var released = false
        /// A commit failed, and may yet take effect.
        var mayCommit = false
    }

    /// The lease's id.
    public let id: RandomID
    /// What it allows.
    public let kind: LeaseRecord.Kind
    /// Of a follower: the replica set.
    public let scope: String?
    private let repository: Repository
    private let note: String
    private let created: Int64
    private let duration: Int64
    private let stopRenewing = StopSignal()
    private let state: Mutex<State>

    /// Acquires a lease. It is renewed in the background until `release`, which must be called.
    ///
    /// - Parameters:
    ///   - scope: of a follower, and only of one: the name of the replica set.
    ///   - note: what people are told who are kept waiting; no secret.
    ///   - duration: milliseconds until it expires unless renewed, at most 24 hours.
    ///   - renewing: false leaves renewing to the caller.
    ///   - repairsReplica: what is done makes a replica what it should be, so it may be one. format-spec.md §9.5 [G-7].
    /// - Throws: `.held` naming the lease that is in the way, its note and its end; `.usage` when the master key was
    ///   changed since the repository was opened.
    public static func acquire(
        _ kind: LeaseRecord.Kind, scope: String? = nil, in repository: Repository, note: String,
        duration: Int64 = standardDuration, renewing: Bool = true, repairsReplica: Bool = false
    ) throws -> Lease {
        try acquire(
            kind, scope: scope, in: repository, note: note, duration: duration, renewing: renewing,
            repairsReplica: repairsReplica
        ) { lease in
            try lease.requireNoConflict(in: try Survey([.lease], in: repository.store))
            // Rotation is barred from here on: it cannot happen after this look.
            try repository.requireNewestKeys()
        }.lease
    }

    /// Puts a lease, and takes it back when `looking` throws, which must list all leases and ask
    /// `requireNoConflict(in:)` about them, and after that `Repository.requireNewestKeys`.
    ///
    /// - Returns: the lease, and what `looking` returned.
    static func acquire<Result>(
        _ kind: LeaseRecord.Kind, scope: String? = nil, in repository: Repository, note: String,
        duration: Int64 = standardDuration, renewing: Bool = true, repairsReplica: Bool = false,
        looking: (Lease) throws -> Result
    ) throws -> (lease: Lease, Result) {
        precondition((scope != nil) == (kind == .follower), "a follower has a scope, others have none")
        precondition(duration > 0 && duration <= FormatLimits.leaseDurationMax)
        let lease = Lease(kind, scope, repository, note: note, created: repository.now(), duration: duration)
        // Who waits for the other in a loop would, by its own short-lived leases, keep the other from starting.
        let before = try Survey([.lease], in: repository.store)
        try lease.requireNoConflict(in: before)
        guard repairsReplica || !before.names(Names.replicaMark, in: .lease) else {
            throw CairnError(
                .held,
                "this is a replica: replication alone writes here, and would remove what others do. When the "
                    + "repository that it is copied from is lost, `cairn replicas promote` makes it one of its own",
                object: Names.replicaMark.path)
        }
        try lease.put(renewed: lease.created, mode: .ifAbsent)
        let result: Result
        do {
            result = try looking(lease)
        } catch {
            try? repository.store.delete(Names.object(.lease, lease.id))
            throw error
        }
        if renewing { lease.startRenewing() }
        return (lease, result)
    }

    private init(
        _ kind: LeaseRecord.Kind, _ scope: String?, _ repository: Repository, note: String, created: Int64,
        duration: Int64
    ) {
        id = repository.newID()
        self.kind = kind
        self.scope = scope
        self.repository = repository
        self.note = note
        self.created = created
        self.duration = duration
        state = Mutex(State(expires: created + duration))
    }

    /// Throws `.held` when one of the leases that were listed is in the way of this one. format-spec.md §9.5 [G-2].
    func requireNoConflict(in survey: Survey) throws {
        let now = repository.now()
        for other in try repository.leases(in: survey, except: id) {
            if let conflict = other.conflict(with: kind, scope: scope, at: now) { throw conflict }
        }
    }

    private func put(renewed: Int64, mode: PutMode) throws {
        let record = LeaseRecord(
            id: id, kind: kind, scope: scope, created: created, renewed: renewed, expires: renewed + duration,
            note: note)
        try repository.writeSealed(record.encode(), kind: .lease, id: id, mode: mode)
    }

    /// Puts the end off. The background renewal calls it; a caller may do so too.
    ///
    /// - Throws: `.held` when the lease is lost already: it is not taken back, for others may have acted on its end.
    public func renew() throws {
        try requireHeld()
        let end = state.withLock { $0.expires }
        let now = repository.now()
        try put(renewed: now, mode: .replace)
        // A put that took until the old end was seen too late: others may have acted on that end already.
        guard repository.now() < end else {
            let error = lose("its renewal took until after its end: this machine slept, or the store did not answer")
            // It looks held again. Gone without a fence it would look released.
            if kind != .writer || (try? repository.fence(id)) != nil {
                try? repository.store.delete(Names.object(.lease, id))
            }
            throw error
        }
        state.withLock { $0.expires = max($0.expires, now + duration) }
    }

    /// Throws `.held` unless the lease is still there and has not expired by this machine's clock.
    /// format-spec.md §9.5 [G-4].
    public func requireHeld() throws {
        let now = repository.now()
        let (expires, loss) = state.withLock { ($0.expires, $0.loss) }
        if let loss { throw loss }
        guard now < expires else {
            throw lose("it expired before it could be renewed: this machine slept, or the store did not answer")
        }
        guard try repository.store.stat(Names.object(.lease, id)) != nil else {
            throw lose("somebody removed it with `cairn unlock`")
        }
    }

    private func lose(_ why: String) -> CairnError {
        let error = CairnError(
            .held, "the lease of this job is lost: \(why); start the job again", object: Names.text(.lease, id))
        return state.withLock { state in
            if state.loss == nil { state.loss = error }
            return state.loss ?? error
        }
    }

    /// Commits under the lease: it is held right before `body` and still after it, or else `undo` is called, and what
    /// was committed does not count. Between a look at a lease and a put, time passes, in which a machine may sleep
    /// past the lease's end, and prune may remove what the commit rests on. format-spec.md §11 [W-9].
    ///
    /// - Throws: `.held` when the lease is lost; what `body` throws.
    public func committing<Result>(_ body: () throws -> Result, undo: (Result) throws -> Void) throws -> Result {
        try requireHeld()
        let result: Result
        do {
            result = try body()
        } catch let error as CairnError where error.code == .io || error.code == .unreachable {
            state.withLock { $0.mayCommit = true }
            throw error
        }
        do {
            try requireHeld()
        } catch {
            try undo(result)
            throw error
        }
        return result
    }

    /// Runs `body`. When it misses what others may have removed since this lease was lost, says that and not damage.
    func overseeing<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as CairnError where error.code == .corrupt || error.code == .notFound {
            try requireHeld()
            throw error
        }
    }

    private func startRenewing() {
        let thread = OwnedThread(name: "lease") { [self] in
            // A failure is no loss yet: another attempt follows before the end.
            while !stopRenewing.wait(milliseconds: duration / 3) { try? renew() }
        }
        state.withLock { $0.renewer = thread }
    }

    /// Ends the renewal and removes the lease, unless it is lost, or a commit under it failed without saying whether it
    /// took effect: a lease that is gone says that nothing more comes of it, and a pruner makes no fence then
    /// (format-spec.md §9.5 [G-6]). Later calls do nothing. A lease that is not removed expires.
    public func release() {
        stopRenewing.stop()
        let (thread, removes) = state.withLock { state in
            defer {
                state.renewer = nil
                state.released = true
            }
            return (state.renewer, !state.released)
        }
        thread?.join()
        let isDone = state.withLock { !$0.mayCommit && ($0.loss == nil || kind != .writer) }
        guard removes && isDone else { return }
        do {
            try repository.store.delete(Names.object(.lease, id))
        } catch let error as CairnError where error.code == .privilege {
            // Who may not delete ends the lease at once all the same: others need not wait for its time.
            try? put(renewed: repository.now() - duration, mode: .replace)
        } catch {}
    }
}
