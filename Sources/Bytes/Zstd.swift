import CZstd

/// What libzstd says about itself.
public enum ZstdVersion {
    /// For instance `1.5.4`.
    public static var text: String { unsafe String(cString: ZSTD_versionString()) }
}

/// Zstandard compression (RFC 8878) at one level, on one context that is reset and not made anew between chunks
/// ("Explicit context" in the zstd manual); one instance per worker thread.
@safe
public final class ZstdCompressor {
    private let context: OpaquePointer

    /// What is compressed: where matches are, and how long, differs.
    public enum Content: Sendable {
        /// BSON: field names with their neighbours.
        case documents
        /// Words and other strings, one behind the other.
        case text
        /// Bytes of numbers, apart from each other: few repeat, but some are more frequent than others.
        case numbers
    }

    /// The levels that `cairn` offers. Levels 20 to 22 need more memory to decompress than readers promise.
    public static let levels = 1...19

    /// - Precondition: `levels` contains `level`.
    public init(level: Int, content: Content = .documents) {
        precondition(ZstdCompressor.levels.contains(level))
        unsafe context = ZSTD_createCCtx()
        set(ZSTD_c_compressionLevel, Int32(level))
        switch content {
        case .documents where level == ZstdCompressor.tunedLevel: setFast(minMatch: 7, hashLog: 17)
        case .text where level == ZstdCompressor.tunedLevel: setFast(minMatch: 6, hashLog: 16)
        case .numbers where level <= ZstdCompressor.numbersLevelMax:
            // Higher levels have a target length, with which a fast strategy leaves literals uncompressed.
            set(ZSTD_c_compressionLevel, 1)
            setFast(minMatch: 7, hashLog: 10)
        default: break
        }
        // The frame is authenticated, and its size is kept beside it: a checksum and a dictionary id would be waste.
        set(ZSTD_c_checksumFlag, 0)
        set(ZSTD_c_contentSizeFlag, 1)
    }

    deinit { unsafe ZSTD_freeCCtx(context) }

    private static let tunedLevel = 3
    /// Beyond, whoever asks for the level wants numbers searched too.
    private static let numbersLevelMax = 9

    /// One hash table and no search, with parameters that suit the content.
    ///
    /// Documents: matches are field names with their neighbours and hardly ever shorter than 7 bytes. zstd's own table
    /// for level 3 (two hash tables, matches from 5 bytes) took 1.3 to 1.55 times as long to save 1.5 % on the
    /// benchmark's documents (33.6 % against 34.1 % of the raw size) and 3 % on the sample databases (17.6 % against
    /// 18.1 %). The table of 512 KiB stays in a core's second-level cache.
    ///
    /// Numbers: what a large table finds there are matches by chance, which cost more than the bytes that they stand
    /// for; a table of 4 KiB finds runs and periods. Against level 1 as it is, 0.6 % of prose in words and 1 % of quiz
    /// attempts are saved, and 7 and 2 % of the encoder's time. Any decoder reads the frames.
    private func setFast(minMatch: Int32, hashLog: Int32) {
        set(ZSTD_c_strategy, Int32(ZSTD_fast.rawValue))
        set(ZSTD_c_minMatch, minMatch)
        set(ZSTD_c_hashLog, hashLog)
    }

    private func set(_ parameter: ZSTD_cParameter, _ value: Int32) {
        precondition(unsafe ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value)) == 0)
    }

    /// Appends one frame that holds `input` to `output`, compressed straight into place.
    ///
    /// - Returns: the frame's size, or nil when it would not be smaller than `input`; nothing is appended then.
    public func compress(_ input: RawSpan, appendingTo output: Buffer) -> Int? {
        guard input.byteCount > 1 else { return nil }
        var size = 0
        unsafe input.withUnsafeBytes { source in
            unsafe output.appendUninitialized(upTo: source.count - 1) { destination in
                let result = unsafe ZSTD_compress2(
                    context, destination.baseAddress, destination.count, source.baseAddress, source.count)
                // The only failure that input can cause: the frame does not fit into fewer bytes than the input has.
                size = ZSTD_isError(result) != 0 ? 0 : result
                return size
            }
        }
        return size > 0 ? size : nil
    }
}

/// Zstandard decompression on one reused context; one instance per thread.
@safe
public final class ZstdDecompressor {
    private let context: OpaquePointer

    /// A fresh context. Frames that ask for a window of more than 128 MiB are refused, whatever they claim to hold.
    public init() { unsafe context = ZSTD_createDCtx() }

    deinit { unsafe ZSTD_freeDCtx(context) }

    /// Appends the `rawCount` bytes that the one frame `input` holds to `output`.
    ///
    /// - Returns: false when `input` is not exactly one valid frame of exactly that many bytes; nothing is appended
    ///   then. The caller knows the object's name and throws. `rawCount` is bounded by the caller before, so a bomb
    ///   cannot allocate more than it promised.
    public func decompress(_ input: RawSpan, rawCount: Int, appendingTo output: Buffer) -> Bool {
        var complete = false
        unsafe input.withUnsafeBytes { source in
            unsafe output.appendUninitialized(upTo: rawCount) { destination in
                let result = unsafe ZSTD_decompressDCtx(
                    context, destination.baseAddress, destination.count, source.baseAddress, source.count)
                complete = ZSTD_isError(result) == 0 && result == rawCount
                return complete ? rawCount : 0
            }
        }
        return complete
    }
}
