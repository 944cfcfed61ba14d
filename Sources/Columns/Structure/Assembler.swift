import BSON
import Bytes

/// Puts documents together from symbols, definitions and columns: the way back from `Shredder`. One of the module's few
/// files with `unsafe`.
///
/// Nothing of what it reads is trusted: every load is from a span whose end was compared before, every store is below
/// the limit that the caller set. What comes out is as long as asked for and may still be no BSON; the chunk's id, a
/// hash of the plaintext, decides.
@safe
final class Assembler {
    /// Where the next value of a column is, and where the column ends.
    struct Column {
        var offset: Int
        var end: Int
    }

    private let model = StructureModel()
    private let levels: UnsafeMutablePointer<Level>

    private struct Level {
        /// The offset of its length in the output.
        var start: Int
        /// The place of the next element of an array.
        var index: Int
        var element: Int32
        var container: Int32
    }

    init() { unsafe levels = .allocate(capacity: BSONValidator.depthMax + 1) }

    deinit { unsafe levels.deallocate() }

    /// What is read, and how far.
    @safe
    private struct Input {
        let symbols: UnsafeRawBufferPointer
        var symbol = 0
        let values: UnsafeRawBufferPointer
        let columns: UnsafeMutableBufferPointer<Column>

        /// The offset of the next `count` bytes of a column, taken; nil when it has no more.
        @inline(__always)
        mutating func take(_ count: Int, of column: Int32) -> Int? {
            guard unsafe Int(column) < columns.count else { return nil }
            let place = unsafe columns.baseAddress! + Int(column)
            let offset = unsafe place.pointee.offset
            guard unsafe count <= place.pointee.end &- offset else { return nil }
            unsafe place.pointee.offset = offset &+ count
            return offset
        }
    }

    /// Where documents are written, and how far.
    @safe
    private struct Output {
        let base: UnsafeMutableRawPointer
        var count = 0
        let limit: Int

        @inline(__always)
        mutating func append(_ source: UnsafeRawPointer, _ size: Int) -> Bool {
            guard size <= limit &- count else { return false }
            let target = unsafe base + count
            switch size {
            case 4: unsafe target.storeBytes(of: source.loadUnaligned(as: UInt32.self), as: UInt32.self)
            case 8: unsafe target.storeBytes(of: source.loadUnaligned(as: UInt64.self), as: UInt64.self)
            default: unsafe target.copyMemory(from: source, byteCount: size)
            }
            count &+= size
            return true
        }

        /// Whether so much room is left that what is copied in fixed steps may reach behind its end.
        @inline(__always)
        var isRoomy: Bool { limit &- count >= 2 * StructureModel.slack }

        /// Appends `size` bytes, at most 32, of memory of which 32 can be read. There must be room for as many.
        @inline(__always)
        mutating func appendShort(_ source: UnsafeRawPointer, _ size: Int) {
            let bytes = unsafe source.loadUnaligned(as: SIMD32<UInt8>.self)
            unsafe base.storeBytes(of: bytes, toByteOffset: count, as: SIMD32<UInt8>.self)
            count &+= size
        }
    }

    /// Appends `byteCount` bytes of documents to `output`.
    ///
    /// - Parameter values: The columns' values and `StructureModel.slack` bytes; `columns` says where each begins and
    ///   ends in it.
    func assemble(
        symbols: RawSpan, definitions: RawSpan, values: RawSpan, columns: inout [Column], byteCount: Int,
        into output: Buffer
    ) throws(ColumnarFault) {
        precondition(columns.allSatisfy { $0.end + StructureModel.slack <= values.byteCount })
        model.reset()
        var reader = VarintReader(definitions)
        var fault: ColumnarFault? = nil
        unsafe columns.withUnsafeMutableBufferPointer { columns in
            unsafe symbols.withUnsafeBytes { symbols in
                unsafe values.withUnsafeBytes { values in
                    unsafe output.appendUninitialized(upTo: byteCount) { target in
                        var input = unsafe Input(symbols: symbols, values: values, columns: columns)
                        var written = unsafe Output(base: target.baseAddress!, limit: byteCount)
                        do throws(ColumnarFault) {
                            try documents(&input, &reader, &written)
                        } catch { fault = error }
                        return fault == nil ? byteCount : 0
                    }
                }
            }
        }
        if let fault { throw fault }
    }

    private func documents(
        _ input: inout Input, _ definitions: inout VarintReader, _ output: inout Output
    ) throws(ColumnarFault) {
        while output.count < output.limit { try document(&input, &definitions, &output) }
        guard unsafe input.symbol == input.symbols.count, definitions.isAtEnd else {
            throw ColumnarFault.malformed("symbols beyond the documents")
        }
        guard unsafe input.columns.allSatisfy({ $0.offset == $0.end }) else {
            throw ColumnarFault.malformed("values beyond the documents")
        }
    }

    private func document(
        _ input: inout Input, _ definitions: inout VarintReader, _ output: inout Output
    ) throws(ColumnarFault) {
        var depth = 0
        var node = StructureModel.root
        try begin(0, element: -1, container: node, &output)
        while true {
            let level = unsafe levels + depth
            guard unsafe input.symbol < input.symbols.count else { throw ColumnarFault.truncated }
            let symbol = unsafe input.symbols[input.symbol]
            input.symbol &+= 1
            let from = unsafe model.elements + Int(node)
            let next: Int32
            if unsafe Int32(symbol) < from.pointee.edgeCount {
                next = unsafe model.edges[Int(from.pointee.edges &+ Int32(symbol))]
            } else {
                guard symbol == Definition.symbol else { throw ColumnarFault.malformed("an unknown symbol") }
                next = try define(behind: node, in: unsafe level.pointee.container, &definitions)
            }
            if next == StructureModel.end {
                try unsafe end(level, &output)
                if depth == 0 { return }
                unsafe node = level.pointee.element
                depth &-= 1
                continue
            }
            node = next
            let element = unsafe model.elements + Int(next)
            if unsafe element.pointee.shortSize != StructureModel.Element.notFixed, output.isRoomy {
                try unsafe putFixed(element, level, &input, &output)
                continue
            }
            try unsafe putHeader(element, level, &input, &output)
            guard unsafe element.pointee.layout == .container else {
                try unsafe putValue(element, &input, &output)
                continue
            }
            depth &+= 1
            guard depth < BSONValidator.depthMax else { throw ColumnarFault.malformed("nested too deeply") }
            unsafe node = element.pointee.inner
            try begin(depth, element: next, container: node, &output)
        }
    }

    private func begin(
        _ depth: Int, element: Int32, container: Int32, _ output: inout Output
    ) throws(ColumnarFault) {
        unsafe levels[depth] = Level(start: output.count, index: 0, element: element, container: container)
        guard output.limit &- output.count >= 5 else { throw ColumnarFault.malformed("more than the chunk's bytes") }
        output.count &+= 4
    }

    @inline(__always)
    private func end(_ level: UnsafeMutablePointer<Level>, _ output: inout Output) throws(ColumnarFault) {
        guard output.count < output.limit else { throw ColumnarFault.malformed("more than the chunk's bytes") }
        unsafe output.base.storeBytes(of: 0, toByteOffset: output.count, as: UInt8.self)
        output.count &+= 1
        let start = unsafe level.pointee.start
        unsafe output.base.storeBytes(
            of: UInt32(truncatingIfNeeded: output.count &- start).littleEndian, toByteOffset: start, as: UInt32.self)
    }

    /// Header and value of an element that most are like: with a name of its own, and values of one size.
    @inline(__always)
    private func putFixed(
        _ element: UnsafeMutablePointer<StructureModel.Element>, _ level: UnsafeMutablePointer<Level>,
        _ input: inout Input, _ output: inout Output
    ) throws(ColumnarFault) {
        unsafe level.pointee.index &+= 1
        let names = model.names
        unsafe names.bytes.withUnsafeBytes {
            unsafe output.appendShort(
                $0.baseAddress! + Int(element.pointee.header), Int(element.pointee.headerCount))
        }
        let size = unsafe Int(element.pointee.shortSize)
        if size == 0 { return }
        guard let offset = unsafe input.take(size, of: element.pointee.column) else {
            throw ColumnarFault.malformed("a column that is too short")
        }
        unsafe output.appendShort(input.values.baseAddress! + offset, size)
    }

    @inline(__always)
    private func putHeader(
        _ element: UnsafeMutablePointer<StructureModel.Element>, _ level: UnsafeMutablePointer<Level>,
        _ input: inout Input, _ output: inout Output
    ) throws(ColumnarFault) {
        let index = unsafe level.pointee.index
        unsafe level.pointee.index = index &+ 1
        var isDone = false
        switch unsafe element.pointee.form {
        case .named:
            let (header, count) = unsafe (Int(element.pointee.header), Int(element.pointee.headerCount))
            let names = model.names
            unsafe names.bytes.withUnsafeBytes { isDone = unsafe output.append($0.baseAddress! + header, count) }
        case .indexed:
            let name = IndexName.text(index)
            guard name.count <= 8 else { throw ColumnarFault.malformed("an array that is too long") }
            var type = unsafe element.pointee.type
            var bytes = name.bytes.littleEndian
            isDone =
                unsafe output.append(&type, 1) && output.append(&bytes, name.count)
        case .wild: isDone = unsafe putWildName(element, &input, &output)
        case .none: break
        }
        guard isDone else { throw ColumnarFault.malformed("more than the chunk's bytes") }
    }

    private func putWildName(
        _ element: UnsafeMutablePointer<StructureModel.Element>, _ input: inout Input, _ output: inout Output
    ) -> Bool {
        var type = unsafe element.pointee.type
        guard unsafe output.append(&type, 1), let prefix = unsafe input.take(4, of: element.pointee.names) else {
            return false
        }
        let length = unsafe Int(input.values.loadUnaligned(fromByteOffset: prefix, as: Int32.self).littleEndian)
        guard length >= 1, let offset = unsafe input.take(length, of: element.pointee.names) else { return false }
        return unsafe output.append(input.values.baseAddress! + offset, length)
    }

    @inline(__always)
    private func putValue(
        _ element: UnsafeMutablePointer<StructureModel.Element>, _ input: inout Input, _ output: inout Output
    ) throws(ColumnarFault) {
        let size: Int
        switch unsafe element.pointee.layout {
        case .four: size = 4
        case .eight: size = 8
        case .twelve: size = 12
        case .one: size = 1
        case .sixteen: size = 16
        case .empty: return
        case .prefixed, .other: size = unsafe valueSize(element, input)
        case .container: preconditionFailure("containers have no column")
        }
        guard size >= 0, let offset = unsafe input.take(size, of: element.pointee.column) else {
            throw ColumnarFault.malformed("a column that is too short")
        }
        let value = unsafe input.values.baseAddress! + offset
        if size <= StructureModel.slack, output.isRoomy { return unsafe output.appendShort(value, size) }
        guard unsafe output.append(value, size) else {
            throw ColumnarFault.malformed("more than the chunk's bytes")
        }
    }

    /// The size of the next value of a column; -1 when it does not lie inside.
    @inline(__always)
    private func valueSize(_ element: UnsafeMutablePointer<StructureModel.Element>, _ input: Input) -> Int {
        let number = unsafe Int(element.pointee.column)
        guard unsafe number < input.columns.count else { return -1 }
        let column = unsafe input.columns[number]
        let span = unsafe RawSpan(_unsafeBytes: input.values)
        return unsafe ValueLayout.byteCount(of: element.pointee.type, in: span, at: column.offset, end: column.end)
    }

    /// Adds the edge that the stream of definitions describes.
    @inline(never)
    private func define(
        behind node: Int32, in container: Int32, _ definitions: inout VarintReader
    ) throws(ColumnarFault) -> Int32 {
        let code = try definitions.integer()
        let element: Int32
        switch code {
        case Definition.end: element = StructureModel.end
        case Definition.named: element = try add(.named, try definitions.header(), to: container)
        case Definition.indexed: element = try add(.indexed, try definitions.bytes(1), to: container)
        case Definition.wild: element = try add(.wild, try definitions.bytes(1), to: container)
        default:
            guard code - Definition.known < UInt64(model.count) else {
                throw ColumnarFault.malformed("an unknown element")
            }
            element = Int32(code - Definition.known)
            guard unsafe model.elements[Int(element)].container == container,
                unsafe model.elements[Int(element)].form != .none
            else { throw ColumnarFault.malformed("an element of another container") }
        }
        guard model.connect(node, to: element) else { throw ColumnarFault.malformed("too many edges") }
        return element
    }

    private func add(
        _ form: StructureModel.Form, _ header: RawSpan, to container: Int32
    ) throws(ColumnarFault) -> Int32 {
        guard model.hasRoom, BSONType(rawValue: header.byte(at: 0)) != nil else {
            throw ColumnarFault.malformed("an element of no type, or too many")
        }
        return model.add(form, header, to: container)
    }
}
