/// Owned, growable memory that moves from stage to stage of a pipeline.
///
///     +----------------------+---------------------+
///     | initialised bytes    | spare capacity      |
///     +----------------------+---------------------+
///     0                    count               capacity
///
/// Invariant: exactly one stage touches a buffer at a time; queues hand it over. That is what makes `@unchecked
/// Sendable` sound: the queue's mutex orders the accesses of the stages on either side. A `~Copyable` struct would let
/// the compiler prove it, but cannot be an element of the standard library's arrays, so queues and pools would need
/// storage of their own for it.
///
/// Memory is aligned to a cache line, that of large buffers to a page, and is never zeroed: only initialised bytes can
/// be read.
@safe
public final class Buffer: @unchecked Sendable {
    /// Where the bytes are, how many there is room for, and how many are initialised.
    ///
    /// Visible to other modules, so that they can append a value without a call; and without the checks at run time
    /// that nobody else is changing these: the invariant above is what they would check, value by value.
    @exclusivity(unchecked) @usableFromInline var storedBase: UnsafeMutableRawPointer
    @exclusivity(unchecked) @usableFromInline var storedCapacity: Int
    @exclusivity(unchecked) @usableFromInline var storedCount: Int

    @inlinable var base: UnsafeMutableRawPointer {
        get { unsafe storedBase }
        set { unsafe storedBase = newValue }
    }

    /// Bytes that can be held without growing.
    @inlinable public internal(set) var capacity: Int {
        get { unsafe storedCapacity }
        set { unsafe storedCapacity = newValue }
    }

    /// Initialised bytes.
    @inlinable var filled: Int {
        get { unsafe storedCount }
        set { unsafe storedCount = newValue }
    }

    /// A cache line; a page for large buffers, because writing around the page cache (`O_DIRECT`) asks for that.
    private static func alignment(_ capacity: Int) -> Int { capacity >= 1 << 20 ? 4096 : 64 }

    /// Allocates `capacity` bytes, none initialised.
    public init(capacity: Int) {
        precondition(capacity >= 0)
        let rounded = max(capacity, 64)
        unsafe storedBase = .allocate(byteCount: rounded, alignment: Buffer.alignment(rounded))
        unsafe storedCapacity = rounded
        unsafe storedCount = 0
    }

    /// A buffer holding a copy of `bytes`.
    public convenience init(copying bytes: [UInt8]) {
        self.init(capacity: bytes.count)
        append(bytes)
    }

    deinit { unsafe base.deallocate() }

    /// The number of initialised bytes.
    @inlinable public var count: Int { filled }

    /// The initialised bytes, borrowed.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        @inlinable
        get {
            let span = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(start: base, count: filled))
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The initialised bytes, for changing in place (encryption does).
    public var mutableBytes: MutableRawSpan {
        @_lifetime(borrow self)
        get {
            let span = unsafe MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(start: base, count: filled))
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The initialised bytes as an array: a copy.
    public var array: [UInt8] {
        unsafe [UInt8](UnsafeRawBufferPointer(start: base, count: filled))
    }

    /// Grows the capacity to at least `total` bytes; what is initialised stays.
    public func reserve(_ total: Int) {
        guard total > capacity else { return }
        grow(to: max(total, capacity * 2))
    }

    /// Appends a copy of `span`, growing when needed.
    @inlinable
    public func append(_ span: RawSpan) {
        let added = span.byteCount
        if filled + added > capacity { reserve(filled + added) }
        unsafe span.withUnsafeBytes { source in
            if let from = source.baseAddress { unsafe (base + filled).copyMemory(from: from, byteCount: added) }
        }
        filled += added
    }

    /// Appends a copy of `array`, growing when needed.
    public func append(_ array: [UInt8]) { append(array.rawSpan) }

    /// Appends an integer in little-endian order.
    @inlinable
    public func append<Integer: FixedWidthInteger>(littleEndian value: Integer) {
        let width = MemoryLayout<Integer>.size
        if filled + width > capacity { reserve(filled + width) }
        unsafe (base + filled).storeBytes(of: value.littleEndian, as: Integer.self)
        filled += width
    }

    /// Appends what `body` writes into at most `maximum` bytes of uninitialised memory; `body` returns how many it
    /// wrote.
    ///
    /// The door for C codecs, which write straight into place. Nothing is appended when `body` throws.
    @unsafe
    public func appendUninitialized(
        upTo maximum: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> Int
    ) rethrows {
        if filled + maximum > capacity { reserve(filled + maximum) }
        let written = try unsafe body(UnsafeMutableRawBufferPointer(start: base + filled, count: maximum))
        precondition(written >= 0 && written <= maximum, "a codec wrote past the memory it was given")
        filled += written
    }

    /// Forgets all bytes; the capacity stays.
    public func removeAll() { filled = 0 }

    /// Forgets the bytes from `newCount` on.
    public func truncate(to newCount: Int) {
        precondition(newCount >= 0 && newCount <= filled)
        filled = newCount
    }

    /// Overwrites bytes that are initialised already, at `offset`.
    public func overwrite(at offset: Int, with span: RawSpan) {
        precondition(offset >= 0 && offset + span.byteCount <= filled)
        unsafe span.withUnsafeBytes { source in
            if let from = source.baseAddress { unsafe (base + offset).copyMemory(from: from, byteCount: source.count) }
        }
    }

    /// Overwrites an integer's worth of bytes that are initialised already, at `offset`, in little-endian order: for
    /// lengths that are known only behind what they count.
    public func overwrite<Integer: FixedWidthInteger & BitwiseCopyable>(at offset: Int, littleEndian value: Integer) {
        precondition(offset >= 0 && offset <= filled - MemoryLayout<Integer>.size)
        unsafe base.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Integer.self)
    }

    /// Gives memory back to the allocator when a rare big document has made the buffer larger than `limit` bytes.
    /// Empties it.
    func shrink(to limit: Int) {
        filled = 0
        guard capacity > limit else { return }
        unsafe base.deallocate()
        unsafe base = .allocate(byteCount: limit, alignment: Buffer.alignment(limit))
        capacity = limit
    }

    @inline(never)
    private func grow(to newCapacity: Int) {
        let next = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: Buffer.alignment(newCapacity))
        unsafe next.copyMemory(from: base, byteCount: filled)
        unsafe base.deallocate()
        unsafe base = next
        capacity = newCapacity
    }
}
