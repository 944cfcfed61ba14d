import Bytes
import Synchronization
import Testing

@Suite struct AheadTests {
    private struct Refused: Error {}

    /// A flag that threads share.
    private final class Flag: Sendable {
        let isSet = Atomic(false)
    }

    @Test func itGivesWhatWasMadeOrWhatWentWrong() throws {
        #expect(try Ahead("made") { 7 }.value() == 7)
        #expect(throws: Refused.self) { try Ahead<Int>("refused") { throw Refused() }.value() }
    }

    /// Nobody may end the process while the thread is still at work.
    @Test func onesThatAreDroppedWaitForTheirThreads() throws {
        let (begun, ended) = (BoundedQueue<Bool>(capacity: 1), Flag())
        var dropped: Ahead<Int>? = Ahead("dropped") {
            // The owner drops the value once the thread has this, and has to wait for some milliseconds of work.
            _ = try begun.pop()
            for _ in 0..<1_000_000 { _ = ended.isSet.load(ordering: .relaxed) }
            ended.isSet.store(true, ordering: .releasing)
            return 1
        }
        try begun.push(true)
        dropped = nil
        #expect(dropped == nil && ended.isSet.load(ordering: .acquiring))
    }
}
