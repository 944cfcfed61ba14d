import BSON
import Bytes
import Testing

@testable import Operations

@Suite struct TimeSelectionTests {
    @Test(arguments: [
        ("2026-01-31T12:00:00Z", 1_769_860_800), ("2026-01-31t12:00:00z", 1_769_860_800),
        ("2026-01-31 12:00:00.999Z", 1_769_860_800), ("2026-01-31T13:30:00+01:30", 1_769_860_800),
        ("2026-01-31T07:00:00-05:00", 1_769_860_800), ("2024-02-29T00:00:00Z", 1_709_164_800),
        ("1970-01-01T00:00:00Z", 0), ("2016-12-31T23:59:60Z", 1_483_228_799), ("1769860800", 1_769_860_800),
    ])
    func secondsIncludeEveryOperationInThem(text: String, second: Int) throws {
        let selection = try TimeSelection(text)
        #expect(selection == .second(second))
        #expect(selection.timestamp(now: 0) == Timestamp(t: UInt32(second), i: .max))
    }

    @Test func operationsAgesAndLatest() throws {
        #expect(try TimeSelection("1769860800:3") == .operation(Timestamp(t: 1_769_860_800, i: 3)))
        #expect(try TimeSelection("latest").timestamp(now: 5) == nil)
        for (text, seconds) in [("-90s", 90), ("-5m", 300), ("-2h", 7_200), ("-3d", 259_200)] {
            let time = try TimeSelection(text).timestamp(now: 1_000_000)
            #expect(time == Timestamp(t: UInt32(1_000_000 - seconds), i: .max))
        }
    }

    @Test(arguments: [
        "", "-", "-h", "-2", "-2w", "--2h", "2h", "now", "1e9", "99999999999", "1:2:3", "1:", ":1", "4294967296:1",
        "2026-01-31", "2026-01-31T12:00Z", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:00", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00+1:00", "2026-01-31T12:00:00+24:00",
        "1969-12-31T23:59:59Z", "2107-01-01T00:00:00Z", "+1769860800", "２０２６",
    ])
    func everythingElseIsRefused(text: String) {
        let error = #expect(throws: CairnError.self) { try TimeSelection(text) }
        #expect(error?.code == .usage)
    }
}
