import Bytes

/// The fields that the open levels of a diff name, each once, found by name in constant time.
///
/// A stack: a level's fields lie behind those of the level around it, and are dropped when it is left. So one array
/// serves a whole diff, whatever its nesting. Few fields are compared one after the other; many are found through a
/// table whose hash is keyed, because names are chosen by whoever writes to the deployment.
struct DiffFields: ~Copyable {
    enum Kind: UInt8 { case delete, update, insert, binary, nested }

    /// One field of a diff; offsets are those in the whole diff.
    struct Field {
        /// The first eight bytes of the name, padded with zeros: tells nearly all names apart.
        var head: UInt64
        var name: Int32
        var nameCount: Int32
        /// Where the element of the section starts and ends.
        var element: Int32
        var end: Int32
        var kind: Kind
        /// Whether an update found its field in place.
        var isPlaced = false

        /// The offset of the element's value: behind the name's zero.
        var value: Int { Int(name) &+ Int(nameCount) &+ 1 }
    }

    /// The fields of one level, and its part of the table.
    struct Level {
        let first: Int
        var end: Int
        let firstSlot: Int
        /// Slots less one; 0 for a level without a table.
        var mask = 0
    }

    private(set) var fields: [Field] = []
    private var slots: [Int32] = []
    /// All fields ever opened, those opened again counted again.
    private(set) var opened = 0

    private static let linearMax = 12
    private static let hash = SipHash(key0: .random(in: 0 ... .max), key1: .random(in: 0 ... .max))

    func openLevel() -> Level { Level(first: fields.count, end: fields.count, firstSlot: slots.count) }

    mutating func close(_ level: Level) {
        fields.removeLast(fields.count - level.first)
        slots.removeLast(slots.count - level.firstSlot)
    }

    mutating func append(_ field: Field) {
        fields.append(field)
        opened &+= 1
    }

    /// Ends the appending of a level: from now on its fields are found.
    ///
    /// - Throws: `.unsupportedFormat` when a name occurs twice.
    mutating func seal(_ level: inout Level, in diff: RawSpan) throws(CairnError) {
        level.end = fields.count
        let count = level.end - level.first
        if count <= Self.linearMax {
            for index in level.first..<level.end {
                for other in level.first..<index where areSame(index, other, diff) {
                    throw UpdateFault.repeated(name(of: fields[index], diff))
                }
            }
            return
        }
        var size = 32
        while size < 2 * count { size *= 2 }
        level.mask = size - 1
        slots.append(contentsOf: repeatElement(-1, count: size))
        for index in level.first..<level.end {
            var slot = Int(truncatingIfNeeded: Self.hash.hash64(name(of: fields[index], diff))) & level.mask
            while slots[level.firstSlot + slot] >= 0 {
                guard !areSame(index, Int(slots[level.firstSlot + slot]), diff) else {
                    throw UpdateFault.repeated(name(of: fields[index], diff))
                }
                slot = (slot + 1) & level.mask
            }
            slots[level.firstSlot + slot] = Int32(index)
        }
    }

    /// The field of that name: `count` bytes of `document` at `offset`.
    @inline(__always)
    func index(of offset: Int, _ count: Int, in document: RawSpan, _ level: Level, _ diff: RawSpan) -> Int? {
        let head = Self.head(document, offset, count)
        guard level.mask > 0 else {
            for index in level.first..<level.end where fields[index].head == head {
                if matches(index, diff, offset, count, document) { return index }
            }
            return nil
        }
        return tableIndex(head, offset, count, in: document, level, diff)
    }

    mutating func place(_ index: Int) { fields[index].isPlaced = true }

    @inline(never)
    private func tableIndex(
        _ head: UInt64, _ offset: Int, _ count: Int, in document: RawSpan, _ level: Level, _ diff: RawSpan
    ) -> Int? {
        let hash = Self.hash.hash64(document.extracting(offset..<(offset + count)))
        var slot = Int(truncatingIfNeeded: hash) & level.mask
        while true {
            let index = Int(slots[level.firstSlot + slot])
            guard index >= 0 else { return nil }
            if fields[index].head == head, matches(index, diff, offset, count, document) { return index }
            slot = (slot + 1) & level.mask
        }
    }

    /// Whether the names are equal, given that their heads are.
    @inline(__always)
    private func matches(_ index: Int, _ diff: RawSpan, _ offset: Int, _ count: Int, _ document: RawSpan) -> Bool {
        let field = fields[index]
        guard Int(field.nameCount) == count else { return false }
        return count <= 8 || spansEqual(name(of: field, diff), document.extracting(offset..<(offset + count)))
    }

    private func areSame(_ index: Int, _ other: Int, _ diff: RawSpan) -> Bool {
        let field = fields[index]
        return field.head == fields[other].head
            && matches(other, diff, Int(field.name), Int(field.nameCount), diff)
    }

    @_lifetime(copy diff)
    private func name(of field: Field, _ diff: RawSpan) -> RawSpan {
        diff.extracting(Int(field.name)..<(Int(field.name) + Int(field.nameCount)))
    }

    /// The first eight of `count` bytes at `offset`, padded with zeros. Names hold no zero byte, so heads of names of
    /// up to eight bytes are equal only when the names are.
    @inline(__always)
    static func head(_ bytes: RawSpan, _ offset: Int, _ count: Int) -> UInt64 {
        guard offset &+ 8 <= bytes.byteCount else { return headByByte(bytes, offset, count) }
        let word = bytes.integer(at: offset, as: UInt64.self)
        return count >= 8 ? word : word & ((1 &<< UInt64(count &* 8)) &- 1)
    }

    @inline(never)
    private static func headByByte(_ bytes: RawSpan, _ offset: Int, _ count: Int) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<min(count, 8) { word |= UInt64(bytes.byte(at: offset + index)) << UInt64(8 * index) }
        return word
    }
}
