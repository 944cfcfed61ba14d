import Bytes
import CMongoC
import Glibc

/// What libmongoc says about itself.
public enum LibMongoCVersion {
    /// For instance `1.23.1`.
    public static var text: String { unsafe String(cString: mongoc_get_version()) }
}

/// The process-wide state of libmongoc, set up once before its first use.
enum LibMongoC {
    /// Set up on first access; the runtime's once-semantics make this safe from any thread.
    static let ready: Void = {
        tuneAllocator()
        // libmongoc writes warnings to stderr by default, where they would break a progress bar and `--json` progress
        // lines; what matters comes back as an error of the call that failed.
        unsafe mongoc_log_set_handler({ _, _, _, _ in }, nil)
        mongoc_init()
    }()

    /// Keeps the memory of big replies in the heap from one reply to the next.
    ///
    /// glibc maps every block above 128 KiB anew and unmaps it when freed, until its dynamic thresholds have grown. A
    /// reply of some MiB then costs a page fault per 4 KiB, which was measured as most of the client's CPU time of a
    /// scan. Replies are at most 48 MB (the protocol's message limit), hence the threshold of 64 MiB. Setting either
    /// threshold also switches the dynamic adjustment off.
    private static func tuneAllocator() {
        mallopt(M_MMAP_THRESHOLD, 64 << 20)
        mallopt(M_TRIM_THRESHOLD, 256 << 20)
    }
}

/// A `bson_t` of libbson at a stable, correctly aligned address.
///
/// libbson wants 128-byte alignment, which a Swift stack variable does not promise, so the struct always lives in
/// memory of its own. It either views bytes that the caller keeps alive for the duration of a call, or owns what
/// libmongoc filled in.
@safe
final class BSONHandle {
    private let memory: UnsafeMutableRawPointer
    /// For C calls, which neither keep nor free it.
    let pointer: OpaquePointer

    /// An empty document.
    init() {
        unsafe memory = .allocate(byteCount: Int(CAIRN_BSON_SIZE), alignment: Int(CAIRN_BSON_ALIGNMENT))
        unsafe pointer = OpaquePointer(memory)
        unsafe bson_init(pointer)
    }

    deinit {
        unsafe bson_destroy(pointer)
        unsafe memory.deallocate()
    }

    /// Frees the contents; for a call that initialises the struct itself. The struct stays valid (empty) if the call
    /// does not.
    func reset() {
        unsafe bson_destroy(pointer)
        unsafe bson_init(pointer)
    }

    /// The document's bytes. They stay valid inside `body` only.
    func withBytes<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
        try unsafe body(RawSpan(_unsafeBytes: BSONHandle.memory(of: pointer)))
    }

    /// A copy of a document's bytes.
    static func bytes(of document: OpaquePointer) -> [UInt8] { unsafe [UInt8](memory(of: document)) }

    /// The length is the document's first field.
    private static func memory(of document: OpaquePointer) -> UnsafeRawBufferPointer {
        guard let data = unsafe UnsafeRawPointer(bson_get_data(document)) else { preconditionFailure("always set") }
        let length = unsafe Int(UInt32(littleEndian: data.loadUnaligned(as: UInt32.self)))
        return unsafe UnsafeRawBufferPointer(start: data, count: length)
    }

    /// Lends `bytes`, one whole document, to C calls inside `body` without copying them.
    func withView<Result>(of bytes: RawSpan, _ body: (OpaquePointer) throws -> Result) throws -> Result {
        unsafe bson_destroy(pointer)
        defer { unsafe bson_init(pointer) }
        return try unsafe bytes.withUnsafeBytes { raw in
            guard let base = raw.baseAddress,
                unsafe bson_init_static(pointer, base.assumingMemoryBound(to: UInt8.self), raw.count)
            else {
                unsafe bson_init(pointer)
                throw CairnError(
                    .corrupt,
                    "not a BSON document: its length field does not match its \(raw.count) bytes.")
            }
            return try unsafe body(pointer)
        }
    }
}

extension BSONHandle {
    /// Makes the elements at `kept` (offsets inside the array) of the array at `array` (offsets in the document) an
    /// array of their own, in place, and returns where it is.
    ///
    ///     … | length | element | element | element | element | 0 | …
    ///                          |<------- kept ---->|
    ///              … | length' | element | element | 0' …
    ///
    /// The new length overwrites the end of what stood before and the new terminator the type of what followed, so
    /// the enclosing document's framing is broken there: only the returned range may be read afterwards.
    func trimArray(_ array: Range<Int>, to kept: Range<Int>) throws -> Range<Int> {
        precondition(kept.lowerBound >= 4 && kept.upperBound < array.count && array.lowerBound >= 4)
        let start = array.lowerBound + kept.lowerBound - 4
        let length = kept.count + 5
        guard let data = unsafe UnsafeMutableRawPointer(mutating: bson_get_data(pointer)) else {
            preconditionFailure("a document always has data")
        }
        precondition(array.upperBound <= withBytes { $0.byteCount })
        unsafe data.storeBytes(of: UInt32(length).littleEndian, toByteOffset: start, as: UInt32.self)
        unsafe data.storeBytes(of: 0, toByteOffset: start + length - 1, as: UInt8.self)
        return start..<(start + length)
    }
}
