internal import Archive
internal import BSON
internal import Bytes

/// The documents that the runs of one collection put, as they are now, found by identity: so that a compaction can put
/// them where their earlier versions stand. Confined to one thread.
struct RunDocuments: ~Copyable {
    private struct Key: Hashable {
        let low: UInt64
        let high: UInt64
    }

    private struct Place {
        let slab: Int
        let range: Range<Int>
        var isTaken = false
    }

    /// Bytes of documents that may be held.
    static let budget = 256 << 20
    private static let slabBytes = 16 << 20

    private let hash = SipHash(key: .random(16))
    private var slabs: [Buffer] = []
    private var places: [Place] = []
    private var numbers: [Key: Int] = [:]

    /// Whether the runs of a collection are small enough.
    static func fits(_ entry: CatalogueEntry) -> Bool {
        // A place and its entry in the dictionary take about 100 bytes.
        entry.runs.reduce(0) { $0 + $1.rawBytes + 100 * $1.documents } <= budget
    }

    init() {}

    /// Keeps a document.
    mutating func add(_ document: RawSpan, _ identity: RawSpan) {
        if slabs.last.map({ $0.count + document.byteCount > RunDocuments.slabBytes }) ?? true {
            slabs.append(Buffer(capacity: max(RunDocuments.slabBytes, document.byteCount)))
        }
        let slab = slabs[slabs.count - 1]
        let start = slab.count
        slab.append(document)
        numbers[key(identity)] = places.count
        places.append(Place(slab: slabs.count - 1, range: start..<slab.count))
    }

    /// Calls `body` with the document of an identity, if there is one that nobody took, and notes that it was taken. A
    /// scan of several times may have met a document twice, since it moved: it takes one place only.
    mutating func take(_ identity: RawSpan, _ body: (RawSpan) throws -> Void) throws {
        guard let number = numbers[key(identity)], !places[number].isTaken else { return }
        places[number].isTaken = true
        let place = places[number]
        try give(place, body)
    }

    /// Calls `body` with each document that nobody took, in the order in which they were added.
    func forEachLeft(_ body: (RawSpan) throws -> Void) throws {
        for place in places where !place.isTaken { try give(place, body) }
    }

    private func give(_ place: Place, _ body: (RawSpan) throws -> Void) throws {
        let slab = slabs[place.slab]
        try body(slab.bytes.extracting(place.range))
    }

    private func key(_ identity: RawSpan) -> Key {
        let (low, high) = hash.hash128(identity)
        return Key(low: low, high: high)
    }
}
