import BSON
import Bytes

/// Which documents of a collection with runs are live: for each identity that a run puts or removes, the newest run
/// that does. Immutable once made; threads share it.
///
/// A document of layer L is live when no run behind L puts or removes its identity. The table keeps 112 bits of the
/// keyed SipHash of an identity and 16 bits of layer, so two of 10^9 identities collide with probability 10^-16.
///
///     slot: 16 bytes   | hash, 64 bits | hash, 48 bits | layer, 16 bits; 0 marks a free slot |
///
/// Open addressing at a load of at most 3/4, sized for the number of identities that the runs count: at most 22 bytes
/// an identity. Where that is over a reader's budget it makes several passes over the leaves, each with the table of
/// one partition of the identities.
public final class LayerTable: Sendable {
    /// Memory for one table unless told otherwise, in bytes.
    public static let standardBudget = 64 << 20

    /// One of several parts that the identities fall into, by their hash.
    public struct Partition: Hashable, Sendable {
        /// Which part, from 0.
        public let index: Int
        /// How many there are.
        public let of: Int

        /// Part `index` of `of`.
        public init(index: Int, of: Int) {
            precondition(of > 0 && of <= 1 << 20 && (0..<of).contains(index))
            self.index = index
            self.of = of
        }

        /// The only part.
        public static let whole = Partition(index: 0, of: 1)

        func contains(_ high: UInt64) -> Bool {
            of == 1 || Int(high.multipliedFullWidth(by: UInt64(of)).high) == index
        }
    }

    /// Parts that the identities of `runs` have to be divided into so that no table is larger than `budget` bytes.
    public static func partitions(for runs: [Run], budget: Int = standardBudget) -> [Partition] {
        let bytes = LayerSlots.capacity(for: identities(of: runs)) * LayerSlots.bytesPerSlot
        // An eighth more than would do, since the parts are not all of one size.
        let parts = bytes <= budget ? 1 : min(1 << 20, (bytes + bytes / 8) / budget + 1)
        return (0..<parts).map { Partition(index: $0, of: parts) }
    }

    private let hash: SipHash
    private let slots: LayerSlots
    /// The part that it covers.
    public let partition: Partition

    /// Reads the identities of all runs: their documents and the `_id`s that they remove.
    ///
    /// - Throws: `.corrupt` when a chunk cannot be read or does not hold what its leaf says, and when a run names an
    ///   identity twice ([F-9]): nobody could say then what it means.
    public init(_ runs: [Run], reader: ChunkReader, partition: Partition = .whole) throws {
        hash = reader.identityHash
        self.partition = partition
        let share = LayerTable.identities(of: runs) / partition.of
        // Parts are not all of one size; counts that are wrong must not make it ask for all memory there is.
        var builder = LayerSlots(expecting: min(partition.of == 1 ? share : share + share / 9, 1 << 22))
        let buffer = Buffer(capacity: 0)
        for (number, run) in runs.enumerated() {
            let layer = number + 1
            let name = "run \(layer)"
            var leaves = LeafCursor(run: run, owner: name, object: "snapshots/", reader: reader)
            while let leaf = try leaves.next() {
                buffer.removeAll()
                try reader.read(leaf.chunk, type: .documents, into: buffer)
                let found = try LayerTable.take(buffer.bytes, layer, hash, partition, &builder, leaf.chunk)
                try LayerTable.require(found, leaf.documents, in: leaf.chunk)
            }
            var removed = 0
            for id in run.removals {
                buffer.removeAll()
                try reader.read(id, type: .run, into: buffer)
                removed += try LayerTable.take(buffer.bytes, layer, hash, partition, &builder, id)
            }
            guard removed == run.removed else {
                throw CairnError(
                    .corrupt, "\(name) lists \(removed) removed documents, its catalogue entry says \(run.removed)",
                    object: "snapshots/")
            }
        }
        slots = builder
    }

    /// Whether no run touches a document.
    public var isEmpty: Bool { slots.count == 0 }

    /// Identities in the table.
    public var count: Int { slots.count }

    /// Memory of the table, in bytes.
    public var memoryFootprint: Int { slots.capacity * LayerSlots.bytesPerSlot }

    /// Whether a document of layer `layer` with this identity is live, and of this table's partition: the passes over
    /// all partitions yield each live document once. One without `_id` is live always, for nothing can replace it; it
    /// is of the first partition.
    public func isLive(_ identity: RawSpan, layer: Int) -> Bool {
        if partition.of == 1, slots.count == 0 { return true }
        if identity.isEmpty { return partition.index == 0 }
        let (low, high) = hash.hash128(identity)
        guard partition.contains(high) else { return false }
        return slots.layer(low, high) <= layer
    }

    private static func identities(of runs: [Run]) -> Int { runs.reduce(0) { $0 + $1.documents + $1.removed } }

    private static func take(
        _ plaintext: RawSpan, _ layer: Int, _ hash: SipHash, _ partition: Partition, _ slots: inout LayerSlots,
        _ chunk: ChunkID
    ) throws -> Int {
        var documents = DocumentBatch.Chunk(plaintext)
        var count = 0
        while let document = try documents.next() {
            count += 1
            let identity = try DocumentIdentity.idBytes(of: document)
            guard !identity.isEmpty else {
                throw CairnError(.corrupt, "chunk \(chunk.hex) of a run holds a document without `_id`")
            }
            let (low, high) = hash.hash128(identity)
            guard partition.contains(high) else { continue }
            guard slots.raise(low, high, to: layer) else {
                throw CairnError(.corrupt, "run \(layer) names an `_id` twice; chunk \(chunk.hex) has it again")
            }
        }
        return count
    }

    private static func require(_ found: Int, _ documents: Int, in chunk: ChunkID) throws {
        guard found == documents else {
            throw CairnError(.corrupt, "chunk \(chunk.hex) holds \(found) documents, its leaf says \(documents)")
        }
    }
}

/// The slots of a `LayerTable`.
struct LayerSlots: Sendable {
    private struct Slot {
        var low: UInt64
        /// The hash's high word with the layer in its low 16 bits.
        var tagged: UInt64
    }

    static var bytesPerSlot: Int { MemoryLayout<Slot>.stride }
    private static let layerMask: UInt64 = 0xFFFF

    private var slots: [Slot]
    private(set) var count = 0

    /// Slots for `identities`.
    static func capacity(for identities: Int) -> Int { identities + identities / 3 + 8 }

    init(expecting identities: Int) {
        slots = Array(repeating: Slot(low: 0, tagged: 0), count: LayerSlots.capacity(for: identities))
    }

    var capacity: Int { slots.count }

    /// The layer that is kept for a hash, 0 when none is.
    @inline(__always)
    func layer(_ low: UInt64, _ high: UInt64) -> Int {
        var position = home(low)
        while true {
            let slot = slots[position]
            if slot.tagged == 0 { return 0 }
            if slot.low == low, (slot.tagged ^ high) & ~LayerSlots.layerMask == 0 {
                return Int(slot.tagged & LayerSlots.layerMask)
            }
            position = position &+ 1 == slots.count ? 0 : position &+ 1
        }
    }

    /// Keeps `layer` for a hash; false when it is kept already. Layers come in ascending order.
    @discardableResult
    mutating func raise(_ low: UInt64, _ high: UInt64, to layer: Int) -> Bool {
        let tagged = high & ~LayerSlots.layerMask | UInt64(layer)
        var position = home(low)
        while slots[position].tagged != 0 {
            if slots[position].low == low, (slots[position].tagged ^ high) & ~LayerSlots.layerMask == 0 {
                guard slots[position].tagged != tagged else { return false }
                slots[position].tagged = tagged
                return true
            }
            position = position + 1 == slots.count ? 0 : position + 1
        }
        slots[position] = Slot(low: low, tagged: tagged)
        count += 1
        if count * 4 > slots.count * 3 { grow() }
        return true
    }

    private func home(_ low: UInt64) -> Int { Int(low.multipliedFullWidth(by: UInt64(slots.count)).high) }

    /// Only where counts were wrong or the partitions are uneven.
    private mutating func grow() {
        var larger = LayerSlots(expecting: slots.count)
        for slot in slots where slot.tagged != 0 {
            larger.raise(slot.low, slot.tagged, to: Int(slot.tagged & LayerSlots.layerMask))
        }
        self = larger
    }
}
