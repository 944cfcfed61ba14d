internal import Archive
internal import BSON
internal import Bytes
internal import ObjectStore

/// A stretch of a follower's time with one writer's lease and one look at the index.
final class FollowShift {
    let recorder: SegmentRecorder
    private let writer: ArchiveWriter
    private let lease: Lease
    private let begun = ContinuousClock.now
    /// When the first entry came that is kept and not saved; nil when there is none.
    private var oldest: ContinuousClock.Instant?
    private var lastCut = ContinuousClock.now

    init(_ job: Follow, _ repository: Repository, set: String, from tip: OpTime) throws {
        let entry = try WriterEntry.acquire(in: repository, note: "follower of \(set)")
        lease = entry.lease
        do {
            // The lease first: what the index names from then on stays until it is given back.
            let index = try entry.loadIndex()
            let workers = job.options.workers > 0 ? job.options.workers : min(2, Machine.processors)
            writer = ArchiveWriter(
                repository: repository, index: index,
                options: WriterOptions(
                    workers: workers, level: job.options.level, streams: 2,
                    puts: repository.store.parallelism))
            recorder = SegmentRecorder(
                repository: repository, writer: writer, lease: lease, set: set, from: tip,
                bytesMax: job.options.bytesMax)
        } catch {
            lease.release()
            throw error
        }
    }

    /// Whether what was taken should be saved now: entries when the oldest has the age that was asked for, mere time
    /// progress seldom, for each segment is an object.
    func isDue(_ job: Follow) -> Bool {
        if recorder.news == 0 { oldest = nil } else if oldest == nil { oldest = .now }
        if let oldest { return .now - oldest >= .seconds(job.options.everySeconds) }
        let idle = max(job.options.everySeconds, job.pace.idleSeconds)
        return recorder.reached > recorder.from && .now - lastCut >= .seconds(idle)
    }

    func noteCut() {
        oldest = nil
        lastCut = .now
    }

    /// Whether it is time to begin anew: with nothing unsaved, and after a while.
    func isOver(_ job: Follow) -> Bool {
        recorder.news == 0 && .now - begun >= .seconds(job.pace.shiftSeconds)
    }

    /// Ends the writer; what was not cut is read again by the next shift.
    func end() {
        writer.abort()
        lease.release()
    }
}
