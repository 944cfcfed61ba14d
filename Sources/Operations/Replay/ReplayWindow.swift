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
        let after = route.base.at
        let through = route.time
        try RouteReader(route: route, repository: repository, chunks: chunks).forEachEntry {
            assembler.hasOpenPrepared
        } prelude: {
            try assembler.takePrelude($0)
        } entry: { bytes, time in
            if time > through {
                guard assembler.hasOpenPrepared else { return false }
                try assembler.takeEnd(try OplogEntry(bytes), through: through) { found in
                    if found.time > after, found.time <= through { try operation(found, time) }
                }
            } else {
                try assembler.take(bytes) { found in
                    if found.time > after, found.time <= through { try operation(found, time) }
                }
            }
            try entryEnd(time)
            return true
        }
    }
}
