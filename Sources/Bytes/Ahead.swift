/// A value that a thread of its own makes while its owner does something else.
public final class Ahead<Value: Sendable>: Sendable {
    private let result = BoundedQueue<Result<Value, any Error>>(capacity: 1)

    /// Starts a thread named `name` that makes the value. Nobody waits for it unless `value()` is called: an owner that
    /// fails before drops the value, and the process may end before it is made.
    public init(_ name: String, _ make: @escaping @Sendable () throws -> Value) {
        let result = result
        OwnedThread(name: name) { try? result.push(Result { try make() }) }.detach()
    }

    /// Waits for the value; to be called once.
    ///
    /// - Throws: what making it threw.
    public func value() throws -> Value {
        guard let made = try result.pop() else { preconditionFailure("the queue is never finished") }
        return try made.get()
    }
}
