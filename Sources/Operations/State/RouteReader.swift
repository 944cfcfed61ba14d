internal import Archive
internal import BSON
internal import Bytes

/// Reads the entries of a route in order, each once, although segments overlap.
///
/// Where a segment cannot be read, those that overlap it are read in its place from the last entry on that was: they
/// have the same operations, since a follower and an incremental save the oplog independently of each other.
struct RouteReader {
    let route: Timeline.Route
    let repository: Repository
    let chunks: ChunkIndex

    /// Calls `prelude` with the entries that transactions inside a segment begin with, and `entry` with the others and
    /// their times, until it returns false.
    ///
    /// - Parameter wantsFollowing: Whether entries behind the route's last segment matter, asked before each such one.
    /// - Throws: what the bodies throw; `.corrupt` or `.unsupportedFormat` naming the times that are lost when a
    ///   segment cannot be read and no other has its entries.
    func forEachEntry(
        wantsFollowing: () -> Bool, prelude: (RawSpan) throws -> Void,
        entry: (_ bytes: RawSpan, _ time: Timestamp) throws -> Bool
    ) throws {
        var damaged: [Segment] = []
        var reached: Timestamp?
        var wantsMore = true
        var segments = route.segments
        var isFollowing = false
        while wantsMore {
            guard !segments.isEmpty else {
                guard !isFollowing else { return }
                isFollowing = true
                segments = route.following
                continue
            }
            if isFollowing, !wantsFollowing() { return }
            let segment = segments.removeFirst()
            var refused: (any Error)?
            do {
                let reader = SegmentReader(repository: repository, chunks: chunks, segment: segment)
                try reader.forEachEntry {
                    do { try prelude($0) } catch {
                        refused = error
                        throw error
                    }
                } entry: { bytes, time in
                    guard wantsMore, reached.map({ time > $0 }) ?? true else { return }
                    do { wantsMore = try entry(bytes, time) } catch {
                        refused = error
                        throw error
                    }
                    reached = time
                }
            } catch {
                damaged.append(segment)
                guard let error = error as? CairnError else { throw error }
                guard refused == nil, error.isDamage else { throw explain(error, segment) }
                segments = try replacement(for: segment, damaged, from: reached, isFollowing, error)
                continue
            }
            reached = max(reached ?? segment.to.timestamp, segment.to.timestamp)
        }
    }

    /// The segments that lead on from the last entry that was read to where the route was to lead.
    private func replacement(
        for segment: Segment, _ damaged: [Segment], from reached: Timestamp?, _ isFollowing: Bool, _ error: CairnError
    ) throws -> [Segment] {
        let start = max(reached ?? route.base.at, route.base.at)
        let end = isFollowing ? Timestamp(rawValue: .max) : route.segments.last?.to.timestamp ?? route.time
        let others = route.all.filter { other in !damaged.contains { $0.id == other.id } }
        let found = Timeline.segmentsLeading(in: others, from: start, to: end)
        let needed = isFollowing ? segment.to.timestamp : route.time
        guard let last = found.last, last.to.timestamp >= needed else { throw explain(error, segment) }
        return found
    }

    /// Damage in the oplog costs times, not documents: a person wants to know which.
    private func explain(_ error: CairnError, _ segment: Segment) -> CairnError {
        guard error.isDamage else { return error }
        return CairnError(
            error.code,
            "the operations from \(segment.from.timestamp.asTime) to \(segment.to.timestamp.asTime) cannot be applied: "
                + "\(error.message). Times up to \(segment.from.timestamp.asTime), and those behind the next snapshot, "
                + "can be restored all the same",
            object: error.object ?? "segments/\(segment.id.hex)", offset: error.offset, underlying: error.underlying)
    }
}

extension CairnError {
    fileprivate var isDamage: Bool { code == .corrupt || code == .unsupportedFormat }
}
