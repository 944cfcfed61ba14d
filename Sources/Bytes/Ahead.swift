/// A value that a thread of its own makes while its owner does something else.
///
/// One that is dropped waits for its thread: a process that ended meanwhile would take libraries apart in which the
/// thread still is.
public final class Ahead<Value: Sendable> {
    private let result = BoundedQueue<Result<Value, any Error>>(capacity: 1)
    private let thread: OwnedThread

    /// Starts a thread named `name` that makes the value.
    public init(_ name: String, _ make: @escaping @Sendable () throws -> Value) {
        let result = result
        thread = OwnedThread(name: name) { try? result.push(Result { try make() }) }
    }

    deinit { thread.join() }

    /// Waits for the value; to be called once.
    ///
    /// - Throws: what making it threw.
    public func value() throws -> Value {
        guard let made = try result.pop() else { preconditionFailure("the queue is never finished") }
        return try made.get()
    }
}
