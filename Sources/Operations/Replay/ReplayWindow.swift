internal import Archive
internal import BSON
internal import Bytes
internal import Oplog

/// The operations that lead from a snapshot to a time, as archived segments hold them, in commit order.
struct ReplayWindow {
    let route: Timeline.Route
    let repository: Repository
    let chunks: ChunkIndex

    /// Calls `operation` with each operation that took effect behind the snapshot, up to and including the route's
    /// time, and with the time of the entry that made it visible; `entryEnd` when all of an entry were given.
    ///
    /// Segments overlap, and the first may begin before the snapshot: those entries count for transactions only. Behind
    /// the time there may be ends of transactions that count at a time before it.
    func forEachOperation(
        _ operation: (borrowing Operation, _ position: Timestamp) throws -> Void,
        entryEnd: (_ position: Timestamp) throws -> Void
    ) throws {
        var assembler = TransactionAssembler()
        var reached = Timestamp(rawValue: 0)
        let after = route.base.at
        let through = route.time
        for (number, segment) in (route.segments + route.following).enumerated() {
            guard number < route.segments.count || assembler.hasOpenPrepared else { break }
            let reader = SegmentReader(repository: repository, chunks: chunks, segment: segment)
            try reader.forEachEntry(
                prelude: { try assembler.takePrelude($0) },
                entry: { bytes, time in
                    guard time > reached else { return }
                    reached = time
                    if time > through {
                        guard assembler.hasOpenPrepared else { return }
                        try assembler.takeEnd(try OplogEntry(bytes), through: through) { found in
                            if found.time > after, found.time <= through { try operation(found, time) }
                        }
                    } else {
                        try assembler.take(bytes) { found in
                            if found.time > after, found.time <= through { try operation(found, time) }
                        }
                    }
                    try entryEnd(time)
                })
        }
    }
}
