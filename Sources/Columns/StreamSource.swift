import Bytes

/// Hands a decoder the streams in the order in which the encoder put them.
///
/// Every size is bounded before memory is taken for it: the streams together by what a chunk of that size can have.
struct StreamSource: ~Escapable {
    /// The parameters of codecs stand between the sizes of streams.
    var directory: VarintReader
    private let frames: RawSpan
    private var nextFrame = 0
    private let group: RawSpan
    private var nextInGroup = 0
    private var budget: Int
    private let decompressor: ZstdDecompressor
    /// Books where the time goes.
    let watch: StageWatch?

    /// - Parameter budget: Bytes that all streams may take.
    @_lifetime(copy frames, copy directory, copy group)
    init(
        directory: RawSpan, group: RawSpan, frames: RawSpan, budget: Int, decompressor: ZstdDecompressor,
        watch: StageWatch? = nil
    ) {
        self.watch = watch
        self.directory = VarintReader(directory)
        self.group = group
        self.frames = frames
        self.budget = budget
        self.decompressor = decompressor
    }

    /// Whether everything was taken.
    var isAtEnd: Bool {
        directory.isAtEnd && nextFrame == frames.byteCount && nextInGroup == group.byteCount
    }

    /// Empties `output` and appends the next stream to it.
    mutating func take(into output: Buffer) throws(ColumnarFault) {
        output.removeAll()
        let count = try directory.count(upTo: budget)
        budget -= count
        guard count >= StreamSink.ownFrameMin else {
            guard count <= group.byteCount - nextInGroup else { throw ColumnarFault.truncated }
            output.append(group.extracting(nextInGroup..<(nextInGroup + count)))
            nextInGroup += count
            return
        }
        let stored = try directory.count(upTo: count)
        guard stored <= frames.byteCount - nextFrame else { throw ColumnarFault.truncated }
        let frame = frames.extracting(nextFrame..<(nextFrame + stored))
        nextFrame += stored
        let outer = watch?.enter(.compression)
        defer { watch?.leave(to: outer ?? nil) }
        try Self.open(frame, rawCount: count, decompressor, into: output)
    }

    /// Appends what a frame holds; a frame as long as its content is the content.
    static func open(
        _ frame: RawSpan, rawCount: Int, _ decompressor: ZstdDecompressor, into output: Buffer
    ) throws(ColumnarFault) {
        if frame.byteCount == rawCount { return output.append(frame) }
        guard decompressor.decompress(frame, rawCount: rawCount, appendingTo: output) else {
            throw ColumnarFault.malformed("a frame that does not decompress to its size")
        }
    }
}
