import Bytes
import TestSupport
import Testing

@testable import Operations

/// When things are to happen.
@Suite struct RecurrenceTests {
    private static let forms = [
        "hourly", "every 1m", "every 15m", "every 6h", "every 24h", "daily 00:00", "daily 02:00", "daily 23:59",
        "weekly monday 00:00", "weekly sunday 02:30", "monthly 1 02:00", "monthly 28 23:59",
    ]

    /// The one before and the one after every time fit together, also across months and years.
    @Test(arguments: forms) func theLastAndTheNextFitTogether(text: String) throws {
        let recurrence = try Recurrence(text)
        #expect(recurrence.description == text.replacing("every 1h", with: "hourly"))
        var random = SeededGenerator(seed: 5)
        for _ in 0..<2_000 {
            let now = Int.random(in: 0...4_000_000_000, using: &random)
            let last = try #require(recurrence.last(at: now)), next = try #require(recurrence.next(after: now))
            #expect(last <= now && now < next, "\(now)")
            #expect(recurrence.last(at: last) == last && recurrence.last(at: next) == next, "\(now)")
            #expect(recurrence.last(at: next - 1) == last && recurrence.next(after: last) == next, "\(now)")
        }
    }

    /// 2026-03-01T00:30:00Z, a Sunday.
    @Test(arguments: [
        ("hourly", 1_772_323_200, 1_772_326_800), ("daily 02:00", 1_772_244_000, 1_772_330_400),
        ("weekly sunday 00:30", 1_772_325_000, 1_772_929_800), ("weekly monday 00:00", 1_771_804_800, 1_772_409_600),
        ("monthly 1 00:00", 1_772_323_200, 1_775_001_600), ("monthly 28 12:00", 1_772_280_000, 1_774_699_200),
    ])
    func knownTimes(text: String, last: Int, next: Int) throws {
        let recurrence = try Recurrence(text)
        #expect(recurrence.last(at: 1_772_325_000) == last && recurrence.next(after: 1_772_325_000) == next)
    }

    @Test func neverIsNever() throws {
        #expect(try Recurrence("never").last(at: 0) == nil && Recurrence("never").next(after: 0) == nil)
    }

    @Test(arguments: [
        "", "sometimes", "daily 24:00", "daily 2:00", "daily 02:60", "every 7h", "every 0m", "every 25h", "every 90s",
        "every", "weekly", "weekly 1 02:00", "weekly someday", "monthly 0", "monthly 29", "monthly", "daily 02:00 UTC",
        "every -1h", "every 1.5h", "daily ０2:00",
    ])
    func whatIsNoneIsRefused(text: String) {
        let error = #expect(throws: CairnError.self) { try Recurrence(text) }
        #expect(error?.code == .usage)
    }
}
