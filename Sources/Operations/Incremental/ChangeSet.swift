internal import BSON
internal import Bytes

/// The `_id`s that changed since some base, per collection, and for each whether its document was there at the base.
/// Confined to one thread.
///
///     arena:  | collection << 1 | existed, u32 | length, u32 | identity |  | … |
///     table:  u32 each: where in the arena a record starts, in units of 4 bytes, plus 1; 0 marks a free slot
///
/// Open addressing at a load of at most 3/4. An ObjectId takes 28 bytes of arena and about 8 of table: a budget of
/// 64 MiB holds nearly two million.
final class ChangeSet {
    /// Memory for one set unless told otherwise, in bytes.
    static let standardBudget = 64 << 20
    private static let headerSize = 8

    private let hash: SipHash
    private var arena = Buffer(capacity: 4 << 10)
    private var table = [UInt32](repeating: 0, count: 256)
    /// `_id`s in the set.
    private(set) var count = 0
    /// `_id`s of each collection.
    private(set) var counts: [Int] = []

    init(hash: SipHash) { self.hash = hash }

    /// Bytes in use.
    var byteCount: Int { arena.count + table.count * 4 }

    /// `_id`s of one collection.
    func count(of collection: Int) -> Int { collection < counts.count ? counts[collection] : 0 }

    /// The hash that decides which part of all `_id`s one belongs to.
    func hash64(_ identity: RawSpan) -> UInt64 { hash.hash64(identity) }

    /// Takes an `_id`; one that is in already stays as it is: the first operation tells what was there before.
    ///
    /// - Parameter hash: `hash64(identity)`.
    func insert(_ identity: RawSpan, hash: UInt64, collection: Int, existed: Bool) {
        precondition(collection < 1 << 30)
        var slot = home(hash, collection)
        while table[slot] != 0 {
            if matches(table[slot], identity, collection) { return }
            slot = slot + 1 == table.count ? 0 : slot + 1
        }
        table[slot] = UInt32(arena.count / 4 + 1)
        arena.append(littleEndian: UInt32(collection << 1 | (existed ? 1 : 0)))
        arena.append(littleEndian: UInt32(identity.byteCount))
        arena.append(identity)
        for _ in 0..<((4 - identity.byteCount & 3) & 3) { arena.append(littleEndian: UInt8(0)) }
        count += 1
        while counts.count <= collection { counts.append(0) }
        counts[collection] += 1
        if count * 4 > table.count * 3 { rehash(table.count * 2) }
    }

    /// Calls `body` with every `_id`, in the order in which they came.
    func forEach(_ body: (_ identity: RawSpan, _ collection: Int, _ existed: Bool) throws -> Void) rethrows {
        let arena = arena
        let bytes = arena.bytes
        var offset = 0
        while offset < bytes.byteCount {
            let record = ChangeSet.record(in: bytes, at: offset)
            try body(bytes.extracting(record.identity), record.collection, record.existed)
            offset = record.end
        }
    }

    /// Calls `body` with each collection that has `_id`s, and with what `withRecord` takes for each of them, in the
    /// order in which they came.
    func forEachCollection(_ body: (_ collection: Int, _ records: ArraySlice<UInt32>) throws -> Void) rethrows {
        var ends: [Int] = []
        for count in counts { ends.append((ends.last ?? 0) + count) }
        var next = zip(ends, counts).map { $0 - $1 }
        var records = [UInt32](repeating: 0, count: count)
        let arena = arena
        let bytes = arena.bytes
        var offset = 0
        while offset < bytes.byteCount {
            let record = ChangeSet.record(in: bytes, at: offset)
            records[next[record.collection]] = UInt32(offset / 4)
            next[record.collection] += 1
            offset = record.end
        }
        for (collection, end) in ends.enumerated() where counts[collection] > 0 {
            try body(collection, records[(end - counts[collection])..<end])
        }
    }

    /// Lends one `_id` of `forEachCollection`, and whether its document was there at the base.
    func withRecord<Result>(
        _ record: UInt32, _ body: (_ identity: RawSpan, _ existed: Bool) throws -> Result
    ) rethrows -> Result {
        let arena = arena
        let found = self.record(at: Int(record) * 4)
        return try body(arena.bytes.extracting(found.identity), found.existed)
    }

    /// Keeps the `_id`s that `wanted` says yes to.
    func retain(_ wanted: (_ collection: Int, _ hash: UInt64) -> Bool) {
        let old = arena
        arena = Buffer(capacity: 4 << 10)
        table = [UInt32](repeating: 0, count: 256)
        count = 0
        counts = []
        let bytes = old.bytes
        var offset = 0
        while offset < bytes.byteCount {
            let record = ChangeSet.record(in: bytes, at: offset)
            let identity = bytes.extracting(record.identity)
            let hash = hash64(identity)
            if wanted(record.collection, hash) {
                insert(identity, hash: hash, collection: record.collection, existed: record.existed)
            }
            offset = record.end
        }
    }

    private struct Record {
        let collection: Int
        let existed: Bool
        let identity: Range<Int>
        /// Where the next record starts.
        var end: Int { (identity.upperBound + 3) & ~3 }
    }

    private func record(at offset: Int) -> Record {
        let arena = arena
        return ChangeSet.record(in: arena.bytes, at: offset)
    }

    private static func record(in bytes: RawSpan, at offset: Int) -> Record {
        let word = Int(bytes.integer(at: offset, as: UInt32.self))
        let count = Int(bytes.integer(at: offset + 4, as: UInt32.self))
        let start = offset + headerSize
        return Record(collection: word >> 1, existed: word & 1 != 0, identity: start..<(start + count))
    }

    private func matches(_ slot: UInt32, _ identity: RawSpan, _ collection: Int) -> Bool {
        let arena = arena
        let record = record(at: (Int(slot) - 1) * 4)
        return record.collection == collection && spansEqual(arena.bytes.extracting(record.identity), identity)
    }

    /// The top bits of the hash choose the part of the set, so the table goes by the others.
    private func home(_ hash: UInt64, _ collection: Int) -> Int {
        let mixed = (hash << 16) &+ UInt64(collection) &* 0x9E37_79B9_7F4A_7C15
        return Int(mixed.multipliedFullWidth(by: UInt64(table.count)).high)
    }

    private func rehash(_ slots: Int) {
        table = [UInt32](repeating: 0, count: slots)
        let arena = arena
        let bytes = arena.bytes
        var offset = 0
        while offset < bytes.byteCount {
            let record = ChangeSet.record(in: bytes, at: offset)
            var slot = home(hash64(bytes.extracting(record.identity)), record.collection)
            while table[slot] != 0 { slot = slot + 1 == slots ? 0 : slot + 1 }
            table[slot] = UInt32(offset / 4 + 1)
            offset = record.end
        }
    }
}
