/// A fixed number of buffers that stages take and give back: the memory budget and the back-pressure in one.
///
/// `@unchecked Sendable`: every stored property is only touched with the condition's mutex held.
public final class BufferPool: @unchecked Sendable {
    private let condition = Condition()
    private let bufferCapacity: Int
    private var free: [Buffer] = []
    private var notYetMade: Int
    private var failure: (any Error)?

    /// At most `buffers` buffers of `capacity` bytes; memory is allocated when first taken.
    public init(buffers: Int, capacity: Int) {
        precondition(buffers > 0)
        notYetMade = buffers
        bufferCapacity = capacity
        free.reserveCapacity(buffers)
    }

    /// An empty buffer; blocks until one is free. Throws what `fail(_:)` was given.
    public func take() throws -> Buffer {
        try condition.withLock {
            while free.isEmpty, notYetMade == 0, failure == nil { condition.wait() }
            if let failure { throw failure }
            // The one given back last is the warmest in the caches.
            if let buffer = free.popLast() { return buffer }
            notYetMade -= 1
            return Buffer(capacity: bufferCapacity)
        }
    }

    /// Gives a buffer back, emptied; one that a big document made larger shrinks to the pool's capacity.
    public func give(_ buffer: Buffer) {
        buffer.shrink(to: bufferCapacity)
        condition.withLock {
            free.append(buffer)
            condition.broadcast()
        }
    }

    /// Wakes and stops everybody who waits for a buffer, now and later.
    public func fail(_ error: any Error) {
        condition.withLock {
            if failure == nil { failure = error }
            condition.broadcast()
        }
    }
}
