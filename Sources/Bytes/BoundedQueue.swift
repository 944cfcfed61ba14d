/// A queue of bounded length between two stages of a pipeline, each on threads that `cairn` owns.
///
/// The bound is the back-pressure. Three ends are possible: `finish()`, after which `pop()` drains what is left and
/// then returns nil; `fail(_:)`, after which every call throws that error at once (first error wins); or the queue is
/// dropped.
///
/// `@unchecked Sendable`: every stored property is only touched with the condition's mutex held.
public final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    private let condition = Condition()
    private let capacity: Int
    /// A ring: `count` elements from `head` on.
    private var ring: [Element?]
    private var head = 0
    private var count = 0
    private var finished = false
    private var failure: (any Error)?

    /// A queue that holds at most `capacity` elements.
    public init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
        ring = Array(repeating: nil, count: capacity)
    }

    /// Appends an element; blocks while the queue is full. Throws what `fail(_:)` was given.
    public func push(_ element: Element) throws {
        try condition.withLock {
            while count == capacity, failure == nil { condition.wait() }
            if let failure { throw failure }
            precondition(!finished, "push after finish")
            ring[(head + count) % capacity] = element
            count += 1
            condition.broadcast()
        }
    }

    /// Takes the oldest element; blocks while the queue is empty; nil once it is finished and drained. Throws what
    /// `fail(_:)` was given.
    public func pop() throws -> Element? {
        try condition.withLock {
            while count == 0, !finished, failure == nil { condition.wait() }
            if let failure { throw failure }
            guard count > 0 else { return nil }
            let element = ring[head].take()
            head = (head + 1) % capacity
            count -= 1
            condition.broadcast()
            return element
        }
    }

    /// Says that nothing more will be pushed.
    public func finish() {
        condition.withLock {
            finished = true
            condition.broadcast()
        }
    }

    /// Stops both sides with `error`; the first one given stays. What was queued is dropped.
    public func fail(_ error: any Error) {
        condition.withLock {
            if failure == nil { failure = error }
            for index in ring.indices { ring[index] = nil }
            count = 0
            condition.broadcast()
        }
    }
}
