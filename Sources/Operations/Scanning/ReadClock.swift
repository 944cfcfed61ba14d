internal import BSON
internal import Mongo
internal import Synchronization

/// The time that ranges are read at. It stands still for as long as the server surely has its history, so that a scan
/// that is quick is read at one time as a whole; then it moves on, and a scan may take as long as it likes.
final class ReadClock: Sendable {
    private struct State {
        var time: Timestamp?
        var taken: ContinuousClock.Instant
    }

    private let state: Mutex<State>
    /// How old a time may be for a range to start at it; nil for a clock that stands still.
    private let ageMax: Duration?

    /// A clock that stands still; nil reads at the server's default.
    init(fixed time: Timestamp?) {
        state = Mutex(State(time: time, taken: .now))
        ageMax = nil
    }

    /// A clock that starts at `time`, which is about now.
    ///
    /// - Parameter windowSeconds: how long the server keeps history. A range starts within the first half of that.
    init(from time: Timestamp, windowSeconds: Int) {
        state = Mutex(State(time: time, taken: .now))
        ageMax = .seconds(windowSeconds) / 2
    }

    /// Whether it can move on.
    var moves: Bool { ageMax != nil }

    /// The time for a range that starts now.
    func time(_ client: MongoClient) throws -> Timestamp? {
        try state.withLock { state in
            if let ageMax, ContinuousClock.now - state.taken > ageMax { try ReadClock.move(&state, client) }
            return state.time
        }
    }

    /// The time for a range that could not be read at `failed`.
    func time(behind failed: Timestamp?, _ client: MongoClient) throws -> Timestamp? {
        try state.withLock { state in
            if state.time == failed { try ReadClock.move(&state, client) }
            return state.time
        }
    }

    private static func move(_ state: inout State, _ client: MongoClient) throws {
        let taken = ContinuousClock.now
        if let time = state.time { state.time = try max(time, client.lastWrite().majority.timestamp) }
        state.taken = taken
    }
}
