import BSON
public import Bytes

/// Encodes chunks of documents in columns, format-spec.md §6.6. One instance a worker: its memory is reused.
public final class ColumnarEncoder {
    private let shredder = Shredder()
    private let sink: StreamSink
    private let writer: ColumnWriter
    /// Books where the time goes.
    public var watch: StageWatch? {
        get { sink.watch }
        set { sink.watch = newValue }
    }

    /// - Parameter level: the zstd level for text, as `ZstdCompressor.levels`.
    public convenience init(level: Int) {
        self.init(sink: StreamSink(level: level), wordEffort: .suiting(level: level))
    }

    init(sink: StreamSink, wordEffort: WordEffort? = .always) {
        self.sink = sink
        writer = ColumnWriter(sink: sink, wordEffort: wordEffort)
    }

    /// Appends the encoded chunk to `output`.
    ///
    /// - Parameter chunk: documents, one behind the other.
    /// - Returns: its size; nil, and nothing is appended, when the chunk is no valid BSON or too irregular for the
    ///   tables, or would not be smaller than it is.
    public func encode(_ chunk: RawSpan, appendingTo output: Buffer) -> Int? {
        let start = output.count
        guard encode(chunk, below: chunk.byteCount, appendingTo: output) else { return nil }
        return output.count - start
    }

    /// The same for chunks that are larger in columns: false only when they cannot be taken apart.
    func encodeWhateverItTakes(_ chunk: RawSpan, appendingTo output: Buffer) -> Bool {
        encode(chunk, below: .max, appendingTo: output)
    }

    private func encode(_ chunk: RawSpan, below limit: Int, appendingTo output: Buffer) -> Bool {
        let outer = watch?.enter(.shredding)
        defer { watch?.leave(to: outer ?? nil) }
        guard chunk.byteCount > 0,
            (try? BSONValidator.validateDocuments(inChunk: chunk, strictness: .server)) != nil,
            shredder.shred(chunk)
        else { return false }
        _ = watch?.enter(.codecs)
        sink.reset()
        let (symbols, definitions) = (shredder.symbols, shredder.definitions)
        sink.put(symbols.bytes, isText: true)
        sink.put(definitions.bytes, isText: true)
        let columns = shredder.columns
        sink.directory.append(varint: UInt64(columns.count))
        for column in 0..<columns.count {
            writer.put(columns.bytes(of: column), type: shredder.model.type(ofColumn: column))
        }
        return sink.finish(into: output, below: limit)
    }
}
