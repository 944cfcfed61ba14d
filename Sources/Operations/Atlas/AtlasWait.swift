internal import Bytes
public import ObjectStore

/// How something that Atlas does is waited for: looked at again and again, less and less often.
///
/// Atlas limits the requests of a project, and a snapshot takes minutes: looks come after a second at first and two
/// minutes apart in the end.
public struct AtlasWait: Sendable {
    /// How long in all, in seconds.
    public var seconds: Int
    /// Delays between looks, by how many there were.
    public var pace = RetryPolicy(triesMax: .max, firstDelay: .seconds(1), delayMax: .seconds(120))
    /// Seconds of a clock that never jumps; tests put theirs here.
    public var now: @Sendable () -> Double = { AtlasWait.monotonic() }

    /// At most so many seconds.
    public init(seconds: Int) { self.seconds = seconds }

    /// A stop is noticed within this time.
    private static let slice = Duration.milliseconds(200)

    private static let start = ContinuousClock.now
    private static func monotonic() -> Double { (ContinuousClock.now - start) / .seconds(1) }

    /// Looks until `isDone`, or until the time is over: then the last state is returned as it is. That Atlas cannot be
    /// reached for a while does not end the waiting.
    ///
    /// - Throws: what `look` throws, `.unreachable` only when the time is over; `.interrupted`, which stops the waiting
    ///   and nothing in Atlas.
    func until<State>(
        _ isDone: (State) -> Bool, from first: State, cancellation: Cancellation, look: (State) throws -> State
    ) throws -> State {
        let end = now() + Double(seconds)
        var state = first
        var looks = 0
        while !isDone(state), now() < end {
            looks += 1
            try pause(min(pace.delay(afterFailures: looks), .seconds(max(0, end - now()))), cancellation)
            do {
                state = try look(state)
            } catch let error as CairnError where error.code == .unreachable && now() < end {
                continue
            }
        }
        return state
    }

    /// One delay, in slices.
    func pause(_ duration: Duration, _ cancellation: Cancellation) throws {
        var left = duration
        repeat {
            guard !cancellation.isCancelled else {
                throw CairnError(
                    .interrupted, "no longer waiting for Atlas, which goes on; `cairn atlas list` shows how it ends")
            }
            pace.wait(min(left, Self.slice))
            left -= Self.slice
        } while left > .zero
    }
}
