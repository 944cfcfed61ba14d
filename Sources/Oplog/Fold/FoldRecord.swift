import BSON
import Bytes

/// What a window did to one document.
struct FoldRecord: Sendable {
    /// The document was there before the window: the first operation on it was not an insert.
    static let expectsBase: UInt8 = 1
    /// What was there before the window is gone; what lives now, if anything, was inserted since.
    static let lostBase: UInt8 = 2
    /// The document lives at the end.
    static let lives: UInt8 = 4
    /// What the window goes on to do to this identity is in the record with the number `order`, whose document took the
    /// identity on without leaving its place.
    static let isElsewhere: UInt8 = 8

    /// The identity: 4 bytes of length, then the bytes.
    var identity: UInt64
    /// The newest node of the chain; 0 for none.
    var chain: UInt64 = 0
    /// The time of the newest operation.
    var time: UInt64
    /// The place of the newest insert in the order of inserts; the number of a record when `isElsewhere` is set.
    var order: UInt32 = 0
    var flags: UInt8
}

/// A node of a record's chain, newest first: whole documents and updates.
///
///     +----------+---------+-----------------------+-------+
///     | previous | time    | length << 1 | whole   | bytes |
///     +----------+---------+-----------------------+-------+
///     0          8         16                      20
///
/// A whole document ends the chain: what came before it does not matter.
struct FoldNode: ~Escapable {
    static let headerByteCount = 20

    let previous: UInt64
    let time: Timestamp
    let isWhole: Bool
    let bytes: RawSpan

    @_lifetime(copy slab)
    init(_ slab: RawSpan, at offset: Int) {
        previous = slab.integer(at: offset, as: UInt64.self)
        time = Timestamp(rawValue: slab.integer(at: offset + 8, as: UInt64.self))
        let packed = slab.integer(at: offset + 16, as: UInt32.self)
        isWhole = packed & 1 != 0
        let start = offset + FoldNode.headerByteCount
        bytes = slab.extracting(start..<(start + Int(packed >> 1)))
    }
}

/// The records of one collection with the bytes that they refer to. Not copyable, for every copy, even one that only
/// lives for a call, counts the references to all of its arrays, which threads that look up documents share.
struct FoldRecords: ~Copyable, Sendable {
    private(set) var arena = Arena()
    /// Bytes of nodes in the arena that belong to no chain any more.
    private var deadByteCount = 0
    private(set) var table = IdentityTable()
    var records: [FoldRecord] = []
    /// Record numbers in the order of inserts; a record counts where its `order` says so.
    var inserts: [UInt32] = []

    /// Memory that all of it takes.
    var byteCount: Int {
        arena.byteCount + table.byteCount + records.capacity * MemoryLayout<FoldRecord>.stride
            + inserts.capacity * MemoryLayout<UInt32>.size
    }

    /// The record of an identity, or nil.
    func find(_ identity: RawSpan, _ hash: UInt64) -> Int? {
        table.find(hash) { record in
            let (slab, offset) = arena.locate(records[record].identity)
            let bytes = slab.bytes
            guard Int(bytes.integer(at: offset, as: UInt32.self)) == identity.byteCount else { return false }
            return spansEqual(bytes.extracting(offset + 4..<(offset + 4 + identity.byteCount)), identity)
        }
    }

    /// Adds a record for an identity that has none.
    mutating func add(_ identity: RawSpan, _ hash: UInt64, flags: UInt8, time: Timestamp) throws -> Int {
        guard records.count < Int(UInt32.max) - 1 else {
            throw CairnError(.limit, "more than 4 billion documents changed: fold in more partitions")
        }
        let reference = arena.reserve(4 + identity.byteCount)
        arena.tail.append(littleEndian: UInt32(identity.byteCount))
        arena.tail.append(identity)
        records.append(FoldRecord(identity: reference, time: time.rawValue, flags: flags))
        table.insert(hash, records.count - 1)
        return records.count - 1
    }

    /// Adds a node to a record's chain; a whole document makes a chain of its own, and an update takes the place of
    /// one that it makes superfluous.
    mutating func push(_ bytes: RawSpan, isWhole: Bool, time: Timestamp, onto record: Int) {
        if isWhole { dropChain(of: record) } else { dropNewest(of: record, ifSupersededBy: bytes) }
        append(bytes, isWhole: isWhole, time: time, to: record)
    }

    private mutating func append(_ bytes: RawSpan, isWhole: Bool, time: Timestamp, to record: Int) {
        let reference = arena.reserve(FoldNode.headerByteCount + bytes.byteCount)
        arena.tail.append(littleEndian: records[record].chain)
        arena.tail.append(littleEndian: time.rawValue)
        arena.tail.append(littleEndian: UInt32(bytes.byteCount) << 1 | (isWhole ? 1 : 0))
        arena.tail.append(bytes)
        records[record].chain = reference
    }

    /// Forgets what was done to a record's document.
    mutating func dropChain(of record: Int) {
        var reference = records[record].chain
        guard reference != 0 else { return }
        while reference != 0 {
            let (slab, offset) = arena.locate(reference)
            let node = FoldNode(slab.bytes, at: offset)
            deadByteCount += FoldNode.headerByteCount + node.bytes.byteCount
            reference = node.previous
        }
        records[record].chain = 0
        compactIfWorthIt()
    }

    private mutating func dropNewest(of record: Int, ifSupersededBy update: RawSpan) {
        let reference = records[record].chain
        guard reference != 0 else { return }
        let (slab, offset) = arena.locate(reference)
        let node = FoldNode(slab.bytes, at: offset)
        guard !node.isWhole, DiffShape.supersedes(update, node.bytes) else { return }
        deadByteCount += FoldNode.headerByteCount + node.bytes.byteCount
        records[record].chain = node.previous
        compactIfWorthIt()
    }

    private mutating func compactIfWorthIt() {
        if deadByteCount > max(1 << 16, arena.filledByteCount / 2) { compact() }
    }

    /// Moves what counts into a new arena: documents that are written again and again take the memory of one.
    private mutating func compact() {
        let old = arena
        arena = Arena()
        deadByteCount = 0
        var chain: [UInt64] = []
        for number in records.indices {
            let (slab, offset) = old.locate(records[number].identity)
            let count = 4 + Int(slab.bytes.integer(at: offset, as: UInt32.self))
            records[number].identity = arena.reserve(count)
            arena.tail.append(slab.bytes.extracting(offset..<(offset + count)))
            var reference = records[number].chain
            while reference != 0 {
                chain.append(reference)
                let (slab, offset) = old.locate(reference)
                reference = FoldNode(slab.bytes, at: offset).previous
            }
            records[number].chain = 0
            while let reference = chain.popLast() {
                let (slab, offset) = old.locate(reference)
                let node = FoldNode(slab.bytes, at: offset)
                append(node.bytes, isWhole: node.isWhole, time: node.time, to: number)
            }
        }
    }

    /// The identity of a record, for messages.
    func identityText(_ record: Int) -> String {
        let (slab, offset) = arena.locate(records[record].identity)
        let count = Int(slab.bytes.integer(at: offset, as: UInt32.self))
        return IdentityText.of(slab.bytes.extracting(offset + 4..<(offset + 4 + count)))
    }
}

/// Identity bytes as a person reads them.
enum IdentityText {
    static func of(_ identity: RawSpan) -> String {
        guard let document = try? DocumentIdentity.document(of: identity), let id = document["_id"] else {
            return Hex.encode(identity)
        }
        switch id {
        case .objectID(let id): return "ObjectId(\"\(Hex.encode(id.bytes.rawSpan))\")"
        case .int32(let number): return "\(number)"
        case .int64(let number): return "\(number)"
        case .double(let number): return "\(number)"
        case .string(let text): return "\"\(text)\""
        default: return "BSON \(Hex.encode(identity))"
        }
    }
}
