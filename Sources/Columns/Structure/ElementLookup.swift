import Bytes

/// Finds an encoder's element by container and name, and decides which names are worth an element of their own.
///
/// Names that are data (a document used as a map) would make an element, and columns of one value, of each: in a
/// container that has many, a name becomes an element when it comes a second time, and is kept in a column before.
struct ElementLookup {
    enum Choice {
        case known(Int32)
        case new(StructureModel.Form)
    }

    /// Names of a container that become elements at once.
    private static let namesAtOnce = 48
    /// Elements beyond which no name becomes one.
    private static let namedMax = StructureModel.elementsMax * 3 / 4
    /// Edges of a node beyond which names are kept in a column; the rest are for those columns, by type.
    private static let namedEdgesMax = 200
    private static let slotCount = 16_384

    /// Element numbers by hash, open addressing; never full, as there are at most a quarter as many elements.
    private var slots = [Int32](repeating: -1, count: slotCount)
    private var hashes = [UInt64](repeating: 0, count: slotCount)
    /// Hashes of names that were seen once; one that is overwritten is seen for the first time again.
    private var seen = [UInt64](repeating: 0, count: 4_096)
    /// How many names became elements, by container.
    private var named = [Int32](repeating: 0, count: StructureModel.elementsMax)

    mutating func reset() {
        Self.fill(&slots, -1)
        Self.fill(&seen, 0)
        Self.fill(&named, 0)
    }

    private static func fill<Number: FixedWidthInteger>(_ numbers: inout [Number], _ value: Number) {
        var span = numbers.mutableSpan
        span.update(repeating: value)
    }

    /// What an element that is no edge of `node` is.
    mutating func choose(
        _ form: StructureModel.Form, _ header: RawSpan, _ container: Int32, behind node: Int32, _ model: StructureModel
    ) -> Choice {
        if form == .indexed { return find(.indexed, header, container, model).map(Choice.known) ?? .new(.indexed) }
        if model.edgeCount(of: node) < Self.namedEdgesMax {
            if let known = find(.named, header, container, model) { return .known(known) }
            if isWorthIt(header, container, model) { return .new(.named) }
        }
        return find(.wild, header, container, model).map(Choice.known) ?? .new(.wild)
    }

    private mutating func isWorthIt(_ header: RawSpan, _ container: Int32, _ model: StructureModel) -> Bool {
        guard model.count < Self.namedMax else { return false }
        if named[Int(container)] < Self.namesAtOnce { return true }
        let hash = Self.hash(.named, header, container)
        let place = Int(hash % UInt64(seen.count))
        if seen[place] == hash { return true }
        seen[place] = hash
        return false
    }

    mutating func insert(_ element: Int32, _ form: StructureModel.Form, _ header: RawSpan, _ container: Int32) {
        if form == .named { named[Int(container)] += 1 }
        let hash = Self.hash(form, header, container)
        var slot = Int(hash % UInt64(Self.slotCount))
        while slots[slot] >= 0 { slot = (slot + 1) % Self.slotCount }
        slots[slot] = element
        hashes[slot] = hash
    }

    private func find(
        _ form: StructureModel.Form, _ header: RawSpan, _ container: Int32, _ model: StructureModel
    ) -> Int32? {
        let hash = Self.hash(form, header, container)
        var slot = Int(hash % UInt64(Self.slotCount))
        while slots[slot] >= 0 {
            if hashes[slot] == hash, model.isElement(slots[slot], form, header, in: container) { return slots[slot] }
            slot = (slot + 1) % Self.slotCount
        }
        return nil
    }

    private static func hash(_ form: StructureModel.Form, _ header: RawSpan, _ container: Int32) -> UInt64 {
        var hash = UInt64(form.rawValue) << 32 | UInt64(UInt32(bitPattern: container))
        let count = form == .named ? header.byteCount : 1
        for offset in 0..<count {
            hash = (hash ^ UInt64(header.byte(at: offset))) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 29
        }
        return hash | 1
    }
}

extension StructureModel {
    func edgeCount(of node: Int32) -> Int { unsafe Int(elements[Int(node)].edgeCount) }

    /// Whether an element has this form, container and header.
    func isElement(_ number: Int32, _ form: Form, _ header: RawSpan, in container: Int32) -> Bool {
        let element = unsafe elements[Int(number)]
        guard element.form == form, element.container == container, element.type == header.byte(at: 0) else {
            return false
        }
        guard form == .named else { return true }
        let start = Int(element.header)
        let names = names
        return spansEqual(names.bytes.extracting(start..<(start + Int(element.headerCount))), header)
    }
}
