public import Bytes
import Synchronization

/// Which chunk is where: all of a repository's chunks in memory, in at most 100 bytes each. Safe to use from
/// several threads.
///
/// Flat arrays with open addressing:
///
/// ```
/// table:    [u32]     entry number + 1, 0 free; linear probing, at most 3/4 full
/// segments: [[Entry]] 56 bytes an entry, in segments of 16,384, so that growing never copies or doubles them
/// packs:    [Pack]    one a pack
/// ```
/// One mutex and not shards: it is taken once a chunk of about 1 MiB for some hundred nanoseconds, which no number
/// of workers that zstd keeps busy will notice.
public final class ChunkIndex: Sendable {
    /// What a worker that has a chunk in hand must do.
    public enum Claim: Sendable, Hashable {
        /// It is stored already.
        case known(ChunkLocation)
        /// Nobody has it: the caller must store it, and then call `insert` or `abandon`.
        case claimed
        /// Another worker of this process is storing it now: refer to it and go on.
        case pending
    }

    private let state = Mutex(Table())
    /// Where readers may look for a chunk whose place proved to be bad; nil for those that must not: a prune that read
    /// from one place and went by the other would remove the good one.
    let otherPlaces: OtherPlaces?

    /// An empty index, for readers that stop at what is gone or damaged.
    public init() { otherPlaces = nil }

    /// An empty index, for readers that look elsewhere first.
    init(_ otherPlaces: OtherPlaces) { self.otherPlaces = otherPlaces }

    /// Where `id` is; nil when it is unknown or only claimed so far.
    public func lookup(_ id: ChunkID) -> ChunkLocation? {
        state.withLock { table in
            guard let number = table.find(id) else { return nil }
            return table.location(number)
        }
    }

    /// Asks for the right to store `id`; see `Claim`.
    public func claim(_ id: ChunkID) -> Claim {
        state.withLock { table in
            if let number = table.find(id) {
                if let location = table.location(number) { return .known(location) }
                return .pending
            }
            table.add(Entry(pending: id))
            return .claimed
        }
    }

    /// Gives a claim back that will not be kept; the next `claim` of `id` gets it.
    public func abandon(_ id: ChunkID) {
        state.withLock { table in
            guard let number = table.find(id), table.location(number) == nil else { return }
            table.remove(where: { $0.id == id })
        }
    }

    /// Adds all chunks of a pack and fulfils the claims on them. A chunk that is known already keeps its first
    /// location; a pack that is known already changes nothing.
    public func insert(_ pack: PackContents) {
        state.withLock { $0.insert(pack) }
    }

    /// Forgets a pack and what was only in it: it is missing or damaged. Costs a pass over the whole index.
    public func remove(pack id: RandomID) {
        state.withLock { table in
            guard let number = table.packNumbers.removeValue(forKey: id) else { return }
            table.remove(where: { $0.pack == number })
        }
    }

    /// Whether the pack is known.
    public func contains(pack id: RandomID) -> Bool {
        state.withLock { $0.packNumbers[id] != nil }
    }

    /// The number of chunks whose location is known.
    public var count: Int { state.withLock { $0.located } }

    /// All known packs, in no order.
    public var packs: [PackIdentity] {
        state.withLock { table in table.packNumbers.values.map { table.packs[Int($0)] } }
    }

    /// Calls `body` with every chunk whose location is known. The index is locked meanwhile: `body` must not
    /// call back into it.
    public func forEach(_ body: (ChunkID, ChunkLocation) throws -> Void) rethrows {
        try state.withLock { table in
            for segment in table.segments {
                for entry in segment where entry.pack != Entry.pendingPack {
                    try body(entry.id, table.location(of: entry))
                }
            }
        }
    }

    /// Size of one entry in memory, in bytes; the table adds 6 to 11.
    static var bytesPerEntry: Int { MemoryLayout<Entry>.stride }

    /// Memory that the index holds now, in bytes, allocation slack of its arrays included.
    public var memoryFootprint: Int {
        state.withLock { table in
            table.segments.reduce(table.slots.capacity * 4) { $0 + $1.capacity * MemoryLayout<Entry>.stride }
                + table.packs.capacity * MemoryLayout<PackIdentity>.stride
                + table.packNumbers.capacity * (MemoryLayout<RandomID>.stride + 4 + 1) * 4 / 3
        }
    }
}

/// One chunk: 56 bytes, of which 4 are padding.
private struct Entry {
    static let pendingPack = UInt32.max

    var id: ChunkID
    var pack: UInt32
    var offset: UInt32
    var storedCount: UInt32
    var rawCount: UInt32
    var slot: UInt16
    var type: ChunkType
    var encoding: ChunkEncoding

    init(pending id: ChunkID) {
        self.id = id
        pack = Entry.pendingPack
        offset = 0
        storedCount = 0
        rawCount = 0
        slot = 0
        type = .documents
        encoding = .raw
    }

    init(_ id: ChunkID, _ location: ChunkLocation, pack: UInt32) {
        self.id = id
        self.pack = pack
        offset = UInt32(location.offset)
        storedCount = UInt32(location.storedCount)
        rawCount = UInt32(location.rawCount)
        slot = UInt16(location.slot)
        type = location.type
        encoding = location.encoding
    }
}

private struct Table {
    static let segmentSize = 1 << 14

    var slots = [UInt32](repeating: 0, count: 1024)
    var segments: [[Entry]] = []
    var count = 0
    var located = 0
    var packs: [PackIdentity] = []
    var packNumbers: [RandomID: UInt32] = [:]

    func entry(_ number: Int) -> Entry { segments[number / Table.segmentSize][number % Table.segmentSize] }

    /// Where the probing of `id` starts. Ids are uniform already. The last word is used, since the first ones order
    /// sets and dictionaries of ids elsewhere.
    private func home(_ id: ChunkID) -> Int { Int(truncatingIfNeeded: id.words.3) & (slots.count - 1) }

    func find(_ id: ChunkID) -> Int? {
        var position = home(id)
        while slots[position] != 0 {
            let number = Int(slots[position]) - 1
            if entry(number).id == id { return number }
            position = (position + 1) & (slots.count - 1)
        }
        return nil
    }

    func location(_ number: Int) -> ChunkLocation? {
        let entry = entry(number)
        return entry.pack == Entry.pendingPack ? nil : location(of: entry)
    }

    func location(of entry: Entry) -> ChunkLocation {
        ChunkLocation(
            pack: packs[Int(entry.pack)], slot: Int(entry.slot), offset: Int(entry.offset),
            storedCount: Int(entry.storedCount), rawCount: Int(entry.rawCount), type: entry.type,
            encoding: entry.encoding)
    }

    mutating func add(_ entry: Entry) {
        precondition(count < Int(UInt32.max) - 1, "an index holds fewer than 2^32 chunks")
        if (count + 1) * 4 > slots.count * 3 { rehash(to: slots.count * 2) }
        if count == segments.count * Table.segmentSize {
            segments.append([])
            segments[segments.count - 1].reserveCapacity(count == 0 ? 64 : Table.segmentSize)
        }
        segments[segments.count - 1].append(entry)
        count += 1
        if entry.pack != Entry.pendingPack { located += 1 }
        link(count - 1, entry.id)
    }

    private mutating func link(_ number: Int, _ id: ChunkID) {
        var position = home(id)
        while slots[position] != 0 { position = (position + 1) & (slots.count - 1) }
        slots[position] = UInt32(number + 1)
    }

    private mutating func rehash(to size: Int) {
        slots = [UInt32](repeating: 0, count: size)
        for number in 0..<count { link(number, entry(number).id) }
    }

    mutating func insert(_ pack: PackContents) {
        guard packNumbers[pack.identity.id] == nil else { return }
        let packNumber = UInt32(packs.count)
        packs.append(pack.identity)
        packNumbers[pack.identity.id] = packNumber
        pack.forEachLocation { id, location in
            let entry = Entry(id, location, pack: packNumber)
            guard let number = find(id) else { return add(entry) }
            let (segment, index) = (number / Table.segmentSize, number % Table.segmentSize)
            guard segments[segment][index].pack == Entry.pendingPack else { return }
            segments[segment][index] = entry
            located += 1
        }
    }

    /// Rebuilds everything without the entries that `condemned` names. Rare, hence simple: open addressing has no
    /// cheap way to take one entry out without tombstones, which would slow every later look-up.
    mutating func remove(where condemned: (Entry) -> Bool) {
        let old = segments
        segments = []
        count = 0
        located = 0
        for index in slots.indices { slots[index] = 0 }
        for segment in old {
            for entry in segment where !condemned(entry) { add(entry) }
        }
    }
}
