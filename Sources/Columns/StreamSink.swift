import Bytes

/// Where an encoder's streams go: large ones into a frame of their own, so that each has its own statistics and can be
/// read alone, small ones into one frame together. What is where is written to the directory. [J-2].
@safe
final class StreamSink {
    /// Streams shorter than this share a frame: a frame of its own costs about 12 bytes, and what was learnt of the
    /// one before.
    static let ownFrameMin = 256

    /// What a reader must know before it reads streams; codecs write their parameters to it.
    let directory = Buffer(capacity: 1 << 12)
    private let group = Buffer(capacity: 1 << 12)
    private let frames = Buffer(capacity: 1 << 19)
    private let scratch = Buffer(capacity: 1 << 16)
    private let numbers: ZstdCompressor
    private let text: ZstdCompressor
    private let compresses: Bool
    /// Books where the time goes.
    var watch: StageWatch?

    /// - Parameters:
    ///   - level: the zstd level, as `ZstdCompressor.levels`.
    ///   - compresses: false leaves streams as they are, for tests that damage what is inside.
    init(level: Int, compresses: Bool = true) {
        self.compresses = compresses
        numbers = ZstdCompressor(level: level, content: .numbers)
        text = ZstdCompressor(level: level, content: .text)
    }

    func reset() {
        directory.removeAll()
        group.removeAll()
        frames.removeAll()
    }

    /// Adds a stream.
    func put(_ stream: RawSpan, isText: Bool = false) {
        directory.append(varint: UInt64(stream.byteCount))
        guard stream.byteCount >= Self.ownFrameMin else { return group.append(stream) }
        putFrame(stream, isText ? text : numbers, into: frames, size: directory)
    }

    /// What a stream would take, in bytes.
    func measure(_ stream: RawSpan, isText: Bool) -> Int {
        let outer = watch?.enter(.compression)
        defer { watch?.leave(to: outer ?? nil) }
        scratch.removeAll()
        return (isText ? text : numbers).compress(stream, appendingTo: scratch) ?? stream.byteCount
    }

    /// Appends a frame, or the bytes themselves where that would not be smaller; and its size elsewhere.
    private func putFrame(_ bytes: RawSpan, _ compressor: ZstdCompressor, into output: Buffer, size: Buffer) {
        let outer = watch?.enter(.compression)
        defer { watch?.leave(to: outer ?? nil) }
        if compresses, let stored = compressor.compress(bytes, appendingTo: output) {
            return size.append(varint: UInt64(stored))
        }
        output.append(bytes)
        size.append(varint: UInt64(bytes.byteCount))
    }

    /// Appends everything to `output`, format-spec.md §6.6; false, and nothing is appended, when that is not less than
    /// `limit` bytes.
    @discardableResult
    func finish(into output: Buffer, below limit: Int = .max) -> Bool {
        let sizes = Buffer(capacity: 64)
        let head = Buffer(capacity: directory.count + group.count + 64)
        let (directory, group, frames) = (directory, group, frames)
        sizes.append(varint: UInt64(directory.count))
        putFrame(directory.bytes, text, into: head, size: sizes)
        sizes.append(varint: UInt64(group.count))
        putFrame(group.bytes, text, into: head, size: sizes)
        guard sizes.count + head.count + frames.count < limit else { return false }
        output.append(sizes.bytes)
        output.append(head.bytes)
        output.append(frames.bytes)
        return true
    }
}
