import BSON
import Bytes

/// Takes documents apart: the sequence of their elements as symbols, names once, values by column. One of the module's
/// few files with `unsafe`.
///
/// Loads are unchecked; what makes them safe is that the chunk was validated before (`BSONValidator`): every element
/// lies inside its document, names end in zero, values end before the document's zero.
@safe
final class Shredder {
    let model = StructureModel()
    let columns = ColumnTable()
    let symbols = Buffer(capacity: 1 << 16)
    let definitions = Buffer(capacity: 1 << 12)
    private var lookup = ElementLookup()
    private let levels: UnsafeMutablePointer<Level>

    /// A container that is open.
    private struct Level {
        /// The offset of its zero.
        var end: Int
        /// The place of the next element of an array; -1 in a document.
        var index: Int
        /// The element that it is.
        var element: Int32
        /// The node at its start, which stands for the container.
        var container: Int32
    }

    init() { unsafe levels = .allocate(capacity: BSONValidator.depthMax + 1) }

    deinit { unsafe levels.deallocate() }

    /// Takes the documents of a chunk apart.
    ///
    /// - Precondition: `BSONValidator.validateDocuments` accepts `chunk`.
    /// - Returns: false when they have more different elements than the tables hold.
    func shred(_ chunk: RawSpan) -> Bool {
        model.reset()
        columns.reset()
        symbols.removeAll()
        definitions.removeAll()
        lookup.reset()
        var isDone = true
        unsafe chunk.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            // An element takes two bytes or more, a document four and its zero: they are more than the symbols.
            unsafe symbols.appendUninitialized(upTo: bytes.count) { output in
                var cursor = unsafe Cursor(
                    base: base, count: bytes.count, symbols: output.baseAddress!.assumingMemoryBound(to: UInt8.self))
                while cursor.offset < cursor.count {
                    guard shredDocument(&cursor) else {
                        isDone = false
                        return 0
                    }
                }
                return cursor.symbolCount
            }
        }
        return isDone
    }

    @safe
    private struct Cursor {
        let base: UnsafeRawPointer
        let count: Int
        let symbols: UnsafeMutablePointer<UInt8>
        var offset = 0
        var symbolCount = 0

        init(base: UnsafeRawPointer, count: Int, symbols: UnsafeMutablePointer<UInt8>) {
            unsafe self.base = base
            self.count = count
            unsafe self.symbols = symbols
        }

        @inline(__always)
        mutating func put(_ symbol: Int) {
            unsafe symbols[symbolCount] = UInt8(truncatingIfNeeded: symbol)
            symbolCount &+= 1
        }

        @inline(__always)
        func length(at offset: Int) -> Int {
            Int(Int32(littleEndian: unsafe base.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
        }

        /// Eight bytes, of which those behind the chunk are zero.
        @inline(__always)
        func word(at offset: Int) -> UInt64 {
            if offset &+ 8 <= count {
                return UInt64(littleEndian: unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
            return lastWord(at: offset)
        }

        @inline(never)
        private func lastWord(at offset: Int) -> UInt64 {
            var word: UInt64 = 0
            for place in 0..<max(0, count - offset) {
                word |= UInt64(unsafe base.load(fromByteOffset: offset + place, as: UInt8.self)) << UInt64(8 * place)
            }
            return word
        }
    }

    private func shredDocument(_ cursor: inout Cursor) -> Bool {
        var depth = 0
        var node = StructureModel.root
        unsafe levels[0] = Level(
            end: cursor.offset + cursor.length(at: cursor.offset) - 1, index: -1, element: -1, container: node)
        cursor.offset += 4
        while true {
            let level = unsafe levels + depth
            if unsafe cursor.offset == level.pointee.end {
                guard let symbol = symbol(ofEndBehind: node) else { return false }
                cursor.put(symbol)
                cursor.offset &+= 1
                if depth == 0 { return true }
                unsafe node = level.pointee.element
                depth &-= 1
                continue
            }
            guard let found = unsafe find(behind: node, level, &cursor) else { return false }
            node = found.element
            let element = unsafe model.elements + Int(found.element)
            cursor.offset &+= found.headerCount
            let fixed = unsafe Int(element.pointee.valueSize)
            if fixed != Int(StructureModel.Element.notFixed) {
                if fixed == 0 { continue }
                if cursor.offset &+ ColumnTable.step <= cursor.count {
                    unsafe columns.appendShort(cursor.base + cursor.offset, fixed, to: element.pointee.column)
                } else {
                    unsafe columns.append(cursor.base + cursor.offset, fixed, to: element.pointee.column)
                }
                cursor.offset &+= fixed
                continue
            }
            let size: Int
            switch unsafe element.pointee.layout {
            case .prefixed: size = 4 &+ cursor.length(at: cursor.offset)
            case .one, .four, .eight, .twelve, .sixteen, .empty: preconditionFailure("their size is fixed")
            case .other: size = unsafe otherSize(element.pointee.type, cursor)
            case .container:
                depth &+= 1
                unsafe levels[depth] = Level(
                    end: cursor.offset &+ cursor.length(at: cursor.offset) &- 1,
                    index: element.pointee.type == BSONType.array.rawValue ? 0 : -1, element: node,
                    container: element.pointee.inner)
                unsafe node = element.pointee.inner
                cursor.offset &+= 4
                continue
            }
            unsafe columns.append(cursor.base + cursor.offset, size, to: element.pointee.column)
            cursor.offset &+= size
        }
    }

    @inline(never)
    private func otherSize(_ type: UInt8, _ cursor: Cursor) -> Int {
        let chunk = unsafe UnsafeRawBufferPointer(start: cursor.base, count: cursor.count)
        let span = unsafe RawSpan(_unsafeBytes: chunk)
        let size = ValueLayout.byteCount(of: type, in: span, at: cursor.offset, end: cursor.count)
        precondition(size >= 0, "the chunk was validated")
        return size
    }

    private func symbol(ofEndBehind node: Int32) -> Int? {
        let from = unsafe model.elements + Int(node)
        let edges = unsafe model.edges + Int(from.pointee.edges)
        for symbol in 0..<(unsafe Int(from.pointee.edgeCount)) where unsafe edges[symbol] == StructureModel.end {
            return symbol
        }
        guard model.connect(node, to: StructureModel.end) else { return nil }
        definitions.append(varint: Definition.end)
        return Int(Definition.symbol)
    }

    /// The element at the cursor, its symbol written; nil when the tables are full.
    @inline(__always)
    private func find(
        behind node: Int32, _ level: UnsafeMutablePointer<Level>, _ cursor: inout Cursor
    ) -> (element: Int32, headerCount: Int)? {
        var word = cursor.word(at: cursor.offset)
        var form = StructureModel.Form.named
        var headerCount = 0
        if unsafe level.pointee.index >= 0 {
            let name = unsafe IndexName.text(level.pointee.index)
            unsafe level.pointee.index &+= 1
            headerCount = name.count &+ 1
            let mask: UInt64 = name.count < 7 ? (1 << UInt64(8 &* name.count)) &- 1 : .max >> 8
            if name.count <= 7, word >> 8 & mask == name.bytes {
                word &= 0xFF
                form = .indexed
            }
        }
        let from = unsafe model.elements + Int(node)
        let edges = unsafe model.edges + Int(from.pointee.edges)
        let edgeCount = unsafe Int(from.pointee.edgeCount)
        var symbol = 0
        while symbol < edgeCount {
            let number = unsafe edges[symbol]
            let element = unsafe model.elements + Int(number)
            if unsafe word & element.pointee.mask == element.pointee.head, unsafe element.pointee.form == form {
                if form == .indexed {
                    cursor.put(symbol)
                    return (number, headerCount)
                }
                let count = unsafe Int(element.pointee.headerCount)
                if count <= 8 || (unsafe isSame(element, cursor)) {
                    cursor.put(symbol)
                    return (number, count)
                }
            }
            symbol &+= 1
        }
        return unsafe findRare(behind: node, form, level.pointee.container, &cursor)
    }

    /// Whether the names are the same behind their first bytes.
    @inline(__always)
    private func isSame(_ element: UnsafeMutablePointer<StructureModel.Element>, _ cursor: Cursor) -> Bool {
        let count = unsafe Int(element.pointee.headerCount)
        guard cursor.offset &+ count <= cursor.count else { return false }
        let header = unsafe Int(element.pointee.header)
        let names = model.names
        return unsafe names.bytes.withUnsafeBytes { names in
            // Longer than 8, so the last 8 bytes may overlap with those before.
            var at = 8
            while at < count {
                let place = min(at, count &- 8)
                let left = unsafe names.loadUnaligned(fromByteOffset: header &+ place, as: UInt64.self)
                let right = unsafe cursor.base.loadUnaligned(fromByteOffset: cursor.offset &+ place, as: UInt64.self)
                guard left == right else { return false }
                at &+= 8
            }
            return true
        }
    }

    /// An element that was not seen behind `node` yet, or whose name is kept in a column.
    @inline(never)
    private func findRare(
        behind node: Int32, _ form: StructureModel.Form, _ container: Int32, _ cursor: inout Cursor
    ) -> (element: Int32, headerCount: Int)? {
        let chunk = unsafe UnsafeRawBufferPointer(start: cursor.base, count: cursor.count)
        let span = unsafe RawSpan(_unsafeBytes: chunk)
        let offset = cursor.offset
        guard let zero = ValueLayout.zero(in: span, from: offset + 1, end: span.byteCount) else {
            preconditionFailure("the chunk was validated")
        }
        let header = span.extracting(offset..<(zero + 1))
        let choice = lookup.choose(form, header, container, behind: node, model)
        let element: Int32
        var isKnown = true
        switch choice {
        case .known(let number): element = number
        case .new(let form):
            guard model.hasRoom else { return nil }
            element = model.add(form, header, to: container)
            lookup.insert(element, form, header, container)
            columns.extend(to: model.columnCount)
            isKnown = false
        }
        if let symbol = edge(from: node, to: element) {
            cursor.put(symbol)
        } else {
            guard model.connect(node, to: element) else { return nil }
            cursor.put(Int(Definition.symbol))
            define(element, isKnown: isKnown, header)
        }
        if unsafe model.elements[Int(element)].form == .wild { keepName(header, of: element) }
        return (element, header.byteCount)
    }

    private func edge(from node: Int32, to element: Int32) -> Int? {
        let from = unsafe model.elements + Int(node)
        let edges = unsafe model.edges + Int(from.pointee.edges)
        for symbol in 0..<(unsafe Int(from.pointee.edgeCount)) where unsafe edges[symbol] == element { return symbol }
        return nil
    }

    private func define(_ element: Int32, isKnown: Bool, _ header: RawSpan) {
        if isKnown { return definitions.append(varint: Definition.known + UInt64(element)) }
        switch unsafe model.elements[Int(element)].form {
        case .named:
            definitions.append(varint: Definition.named)
            definitions.append(header)
        case .indexed:
            definitions.append(varint: Definition.indexed)
            definitions.append(header.extracting(0..<1))
        case .wild:
            definitions.append(varint: Definition.wild)
            definitions.append(header.extracting(0..<1))
        case .none: preconditionFailure("only elements are defined")
        }
    }

    /// Appends a name to its column as a string value is stored: length, text, zero.
    private func keepName(_ header: RawSpan, of element: Int32) {
        let column = unsafe model.elements[Int(element)].names
        var length = UInt32(header.byteCount - 1).littleEndian
        unsafe withUnsafeBytes(of: &length) { unsafe columns.append($0.baseAddress!, 4, to: column) }
        unsafe header.withUnsafeBytes { unsafe columns.append($0.baseAddress! + 1, $0.count - 1, to: column) }
    }
}
