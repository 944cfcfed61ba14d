internal import BSON
internal import Bytes

/// The parts that all `_id`s fall into by their hash, and the time up to which the changes of each part are in runs.
///
/// One part is enough until the `_id`s that changed do not fit the memory, or cannot be read back within the server's
/// history window. Then the parts are halved, and a pass over the oplog serves some of them only. Each operation
/// counts for exactly one part and one pass: the one that ends at the first time after it. So nothing is counted twice,
/// however many passes and times it takes.
struct ChangeParts {
    /// Parts are 2^bits.
    private(set) var bits = 0
    /// Up to which time each part's changes are in runs.
    private(set) var times: [Timestamp]
    /// Whether the pass under way serves the part.
    private(set) var active: [Bool]
    /// Parts that one pass may serve.
    private var passMax = Int.max

    /// Halvings before a backup gives up: 65,536 parts.
    private static let bitsMax = 16

    init(from time: Timestamp) {
        times = [time]
        active = [false]
    }

    /// The part of an `_id`.
    func part(_ hash: UInt64) -> Int { bits == 0 ? 0 : Int(hash >> UInt64(64 - bits)) }

    /// Whether every part's changes up to `time` are in runs.
    func areSettled(at time: Timestamp) -> Bool { times.allSatisfy { $0 >= time } }

    /// The time that the earliest part of the pass has reached.
    var earliest: Timestamp? { zip(times, active).filter(\.1).map(\.0).min() }
    /// The time that the latest part of the pass has reached.
    var latest: Timestamp? { zip(times, active).filter(\.1).map(\.0).max() }

    /// Starts a pass that brings parts up to `time`: all that are behind, unless passes had to become smaller.
    mutating func begin(upTo time: Timestamp) {
        var room = passMax
        for part in times.indices {
            active[part] = times[part] < time && room > 0
            if active[part] { room -= 1 }
        }
    }

    /// The pass is through: its parts' changes up to `time` are in runs.
    mutating func settle(at time: Timestamp) {
        for part in times.indices where active[part] {
            times[part] = time
            active[part] = false
        }
        if passMax < Int.max { passMax = passMax >= times.count ? Int.max : passMax * 2 }
    }

    /// Makes the pass smaller by half.
    ///
    /// - Throws: `.limit` when parts cannot become smaller.
    mutating func halve() throws {
        let served = active.indices.filter { active[$0] }
        if served.count > 1 {
            for part in served.suffix(served.count / 2) { active[part] = false }
            return
        }
        guard bits < Self.bitsMax else {
            throw CairnError(
                .limit,
                "the changed documents do not fit \(1 << bits) passes: raise the server's "
                    + "minSnapshotHistoryWindowInSeconds, or take a full backup")
        }
        bits += 1
        times = times.flatMap { [$0, $0] }
        active = active.flatMap { [$0, false] }
    }

    /// Ends the pass, which could not be read back in time, and makes those from now on half as large.
    mutating func halvePasses() throws {
        try halve()
        passMax = max(1, active.count { $0 })
        for part in active.indices { active[part] = false }
    }
}
