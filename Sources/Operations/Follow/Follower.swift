internal import Archive
internal import BSON
internal import Bytes
internal import Glibc
internal import Mongo

/// One run of `Follow`. Confined to one thread.
final class Follower {
    private let job: Follow
    private let repository: Repository
    private let deployment: MongoDeployment
    private let reader: OplogReader
    private let set: String
    private let lease: Lease
    private var shift: FollowShift?
    private var tip: OpTime
    private var report: FollowReport
    private var isWaiting = false
    /// Failures in a row, for the pause before the next try.
    private var failures = 0

    init(
        _ job: Follow, _ repository: Repository, _ deployment: MongoDeployment, set: String, _ lease: Lease
    ) throws {
        self.job = job
        self.repository = repository
        self.deployment = deployment
        self.set = set
        self.lease = lease
        reader = OplogReader(client: try deployment.checkOut(), retries: false)
        tip = try TimelineTip.find(of: set, in: repository, reader)
        report = FollowReport(set: set, from: tip.timestamp, to: tip.timestamp)
    }

    /// Follows until the job is cancelled.
    func run() throws -> FollowReport {
        job.progress.begin(phase: "follow")
        job.observer(.began(at: tip.timestamp))
        var gap: CairnError?
        while !job.cancellation.isCancelled {
            do {
                if let cause = gap {
                    try pass(cause)
                    gap = nil
                }
                try tail()
            } catch let error as CairnError where error.code == .oplogGap {
                gap = error
            } catch let error as CairnError where Self.passes(error) {
                saveBestEffort()
                try wait(error)
            }
        }
        saveBestEffort()
        endShift()
        recordAudit()
        return report
    }

    /// Gives everything back, however the run ended.
    func stop() { endShift() }

    /// Reads until the shift is over or the job is cancelled.
    private func tail() throws {
        let shift = try self.shift ?? beginShift()
        try reader.follow(from: shift.recorder.reached, waitMilliseconds: job.pace.waitMilliseconds) { batch in
            resumed()
            let before = shift.recorder.taken
            try shift.recorder.take(batch: batch, reader)
            job.progress.add(
                documents: shift.recorder.taken.entries - before.entries,
                bytesIn: shift.recorder.taken.bytes - before.bytes)
            if shift.isDue(job) { try shift.recorder.cut(reader) }
            note(shift)
            return !job.cancellation.isCancelled && !shift.isOver(job)
        }
        if shift.isOver(job) { endShift() }
    }

    private func beginShift() throws -> FollowShift {
        try lease.requireHeld()
        let begun = try FollowShift(job, repository, set: set, from: tip)
        shift = begun
        return begun
    }

    private func endShift() {
        shift?.end()
        shift = nil
    }

    /// Counts the segments that the recorder has committed since the last call.
    private func note(_ shift: FollowShift) {
        for segment in shift.recorder.takeCommitted() {
            shift.noteCut()
            tip = segment.to
            report.to = segment.to.timestamp
            report.segments += 1
            report.entries += segment.entries
            report.rawBytes += segment.rawBytes
            report.addedBytes += segment.addedBytes
            job.progress.set(bytesStored: report.addedBytes)
            job.observer(
                .saved(
                    Follow.Saved(
                        id: segment.id, from: segment.from.timestamp, to: segment.to.timestamp,
                        entries: segment.entries, rawBytes: segment.rawBytes, addedBytes: segment.addedBytes)))
        }
    }
}

/// When the server is gone.
extension Follower {
    /// The server may come back, another member may be there, or maintenance of the repository may end.
    private static func passes(_ error: CairnError) -> Bool {
        if error.code == .held { return true }
        guard let cause = ServerError(causing: error) else { return false }
        return cause.isTransient || cause.isCursorLost || cause.origin == .selection
    }

    /// Saves what was taken: should the server never come back, that is all there is. An error shows again later.
    private func saveBestEffort() {
        guard let shift, shift.recorder.news > 0 || shift.isDue(job) else { return }
        _ = try? shift.recorder.cut(reader)
        note(shift)
    }

    private func wait(_ error: CairnError) throws {
        // Whoever lost a lease holds nothing of what others may have removed since. The follower's own must be there.
        if error.code == .held {
            endShift()
            try lease.requireHeld()
        }
        if !isWaiting {
            isWaiting = true
            job.observer(.waiting(error))
        }
        let pauses = job.pace.backOffMilliseconds
        var left = pauses[min(failures, pauses.count - 1)]
        failures += 1
        while left > 0, !job.cancellation.isCancelled {
            usleep(UInt32(min(left, 100)) * 1_000)
            left -= 100
        }
        // Looks for a member that answers, the present one first, but not for ever: it may be behind the others. In
        // vain this time, perhaps not the next.
        let preferred = failures % 3 == 0 ? "" : reader.host
        if !job.cancellation.isCancelled { try? deployment.repin(preferredHost: preferred) }
    }

    private func resumed() {
        failures = 0
        guard isWaiting else { return }
        isWaiting = false
        job.observer(.resumed(host: reader.host))
    }
}

/// When a stretch is lost.
extension Follower {
    /// Records what is lost and goes on behind it.
    private func pass(_ cause: CairnError) throws {
        let shift = try self.shift ?? beginShift()
        var next: OpTime?
        do {
            try shift.recorder.cut(reader)
            note(shift)
        } catch let error as CairnError where error.code == .oplogGap {
            // A transaction that was committed cannot be completed any more: nothing that was taken can be used.
            next = shift.recorder.reached
        }
        let from = shift.recorder.from
        guard let next = try next ?? reader.first(after: from.timestamp) else {
            // A history that diverged and has not come as far yet.
            throw CairnError(
                .usage,
                "the oplog of \(reader.host) ends before \(from.timestamp), up to which the repository has it: is this "
                    + "another replica set, or one that was restored from a backup? Use a repository of its own.",
                underlying: cause)
        }
        endShift()
        let gap = try record(from: from, to: next, cause.message)
        tip = next
        report.to = next.timestamp
        report.gaps.append(gap)
        report.warnings.append(
            "the oplog from \(gap.from) to \(gap.to) is lost (\(gap.reason)): no time in it can be restored, nor any "
                + "after it before the next backup")
        job.observer(.lost(gap))
    }

    private func record(from: OpTime, to: OpTime, _ reason: String) throws -> Follow.Gap {
        try lease.requireHeld()
        let writer = try Lease.acquire(.writer, in: repository, note: "follower of \(set), to record a gap")
        defer { writer.release() }
        try repository.commit(
            Segment(
                id: repository.newID(), set: set, host: reader.host, from: from, to: to, created: repository.now(),
                firstWall: nil, lastWall: nil, entries: 0, rawBytes: 0, addedBytes: 0, chunks: [], gap: reason),
            under: writer)
        return Follow.Gap(from: from.timestamp, to: to.timestamp, reason: reason)
    }

    /// The segments count from their commit on; a record that cannot be written is a warning.
    private func recordAudit() {
        guard report.segments > 0 || !report.gaps.isEmpty else { return }
        do {
            try repository.appendAudit(
                operation: "follow", program: Program.name,
                details: [
                    "set": .string(set), "from": .timestamp(report.from), "to": .timestamp(report.to),
                    "segments": BSONValue(report.segments), "gaps": BSONValue(report.gaps.count),
                ])
        } catch {
            report.warnings.append("what was followed is saved, but its audit record could not be written: \(error)")
        }
    }
}
