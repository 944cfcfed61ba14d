/// The values of each column of a chunk, one behind the other as in the documents. Reused from chunk to chunk.
@safe
final class ColumnTable {
    @safe
    private struct Column {
        var base: UnsafeMutableRawPointer
        var count: Int
        var capacity: Int
    }

    private let columns: UnsafeMutablePointer<Column>
    private var allocated = 0
    private(set) var count = 0

    init() { unsafe columns = .allocate(capacity: StructureModel.elementsMax * 2) }

    deinit {
        for number in 0..<allocated { unsafe columns[number].base.deallocate() }
        unsafe columns.deallocate()
    }

    /// Forgets all values.
    func reset() { count = 0 }

    /// Makes the table have `total` columns, new ones empty.
    func extend(to total: Int) {
        precondition(total <= StructureModel.elementsMax * 2)
        while count < total {
            if count == allocated {
                let base = UnsafeMutableRawPointer.allocate(byteCount: Self.initialCapacity, alignment: 64)
                unsafe columns[count] = Column(base: base, count: 0, capacity: Self.initialCapacity)
                allocated += 1
            }
            unsafe columns[count].count = 0
            count += 1
        }
    }

    private static let initialCapacity = 1_024

    /// Appends `size` bytes to a column.
    @unsafe
    @inline(__always)
    func append(_ source: UnsafeRawPointer, _ size: Int, to number: Int32) {
        let column = unsafe columns + Int(number)
        let filled = unsafe column.pointee.count
        if unsafe filled + size > column.pointee.capacity { grow(Int(number), to: filled + size) }
        let target = unsafe column.pointee.base + filled
        unsafe target.copyMemory(from: source, byteCount: size)
        unsafe column.pointee.count = filled + size
    }

    /// Bytes that `appendShort` reads and writes, whatever counts of them.
    static let step = 16

    /// Appends at most `step` bytes of memory of which so many can be read.
    @unsafe
    @inline(__always)
    func appendShort(_ source: UnsafeRawPointer, _ size: Int, to number: Int32) {
        let column = unsafe columns + Int(number)
        let filled = unsafe column.pointee.count
        if unsafe filled + Self.step > column.pointee.capacity { grow(Int(number), to: filled + Self.step) }
        let bytes = unsafe source.loadUnaligned(as: SIMD16<UInt8>.self)
        unsafe column.pointee.base.storeBytes(of: bytes, toByteOffset: filled, as: SIMD16<UInt8>.self)
        unsafe column.pointee.count = filled + size
    }

    @inline(never)
    private func grow(_ number: Int, to needed: Int) {
        let capacity = unsafe max(needed, columns[number].capacity * 4)
        let base = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
        unsafe base.copyMemory(from: columns[number].base, byteCount: columns[number].count)
        unsafe columns[number].base.deallocate()
        unsafe columns[number].base = base
        unsafe columns[number].capacity = capacity
    }

    /// The bytes of a column, borrowed.
    @_lifetime(borrow self)
    func bytes(of number: Int) -> RawSpan {
        precondition(number < count)
        let span = unsafe RawSpan(
            _unsafeBytes: UnsafeRawBufferPointer(start: columns[number].base, count: columns[number].count))
        return unsafe _overrideLifetime(span, borrowing: self)
    }
}
