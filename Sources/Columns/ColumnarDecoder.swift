public import Bytes

/// Decodes what `ColumnarEncoder` encoded. One instance a thread: its memory is reused.
public final class ColumnarDecoder {
    private let decompressor = ZstdDecompressor()
    private let assembler = Assembler()
    private let reader = ColumnReader()
    private let directory = Buffer(capacity: 1 << 12)
    private let group = Buffer(capacity: 1 << 12)
    private let symbols = Buffer(capacity: 1 << 16)
    private let definitions = Buffer(capacity: 1 << 12)
    private let values = Buffer(capacity: 1 << 20)
    private var columns: [Assembler.Column] = []
    /// Books where the time goes.
    public var watch: StageWatch?

    /// A decoder without memory yet.
    public init() {}

    /// Appends the `rawCount` bytes of documents that `encoded` stands for to `output`.
    ///
    /// - Returns: false when it is no such chunk; nothing is appended then. The caller knows the object's name and
    ///   throws. Memory is bounded by a small multiple of `rawCount`, whatever `encoded` claims.
    public func decode(_ encoded: RawSpan, rawCount: Int, appendingTo output: Buffer) -> Bool {
        do throws(ColumnarFault) {
            try decodeAll(encoded, rawCount, output)
            return true
        } catch { return false }
    }

    private func decodeAll(_ encoded: RawSpan, _ rawCount: Int, _ output: Buffer) throws(ColumnarFault) {
        // Streams hold each byte of the documents at most twice (a name and its place in a column), and a number for
        // each value.
        let budget = rawCount * 4 + 65_536
        let outer = watch?.enter(.codecs)
        defer { watch?.leave(to: outer ?? nil) }
        var head = VarintReader(encoded)
        let directoryCount = try head.count(upTo: budget)
        let directoryStored = try head.count(upTo: directoryCount)
        let groupCount = try head.count(upTo: budget)
        let groupStored = try head.count(upTo: groupCount)
        directory.removeAll()
        try StreamSource.open(
            try head.bytes(directoryStored), rawCount: directoryCount, decompressor, into: directory)
        group.removeAll()
        try StreamSource.open(try head.bytes(groupStored), rawCount: groupCount, decompressor, into: group)
        let (directory, group) = (directory, group)
        var source = StreamSource(
            directory: directory.bytes, group: group.bytes,
            frames: encoded.extracting(head.offset..<encoded.byteCount), budget: budget, decompressor: decompressor,
            watch: watch)
        try source.take(into: symbols)
        try source.take(into: definitions)
        try takeColumns(&source, budget)
        guard source.isAtEnd else { throw ColumnarFault.malformed("bytes behind the streams") }
        _ = watch?.enter(.assembling)
        let (symbols, definitions, values) = (symbols, definitions, values)
        try assembler.assemble(
            symbols: symbols.bytes, definitions: definitions.bytes, values: values.bytes, columns: &columns,
            byteCount: rawCount, into: output)
    }

    private func takeColumns(_ source: inout StreamSource, _ budget: Int) throws(ColumnarFault) {
        let count = try source.directory.count(upTo: StructureModel.elementsMax * 2)
        columns.removeAll(keepingCapacity: true)
        values.removeAll()
        for _ in 0..<count {
            let start = values.count
            try reader.take(from: &source, upTo: budget - start, into: values)
            columns.append(Assembler.Column(offset: start, end: values.count))
        }
        values.append(zeros: StructureModel.slack)
    }
}
