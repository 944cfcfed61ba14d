import Operations
import TestSupport
import Testing

@Suite struct TimetableTests {
    @Test func hourlyIncludesWhatHappensOnTheHour() {
        #expect(Timetable(BackupPolicy(), replicates: true).recurrences == [.every(seconds: 3_600)])
    }

    @Test func whatHappensBetweenHasAStartOfItsOwn() throws {
        var policy = BackupPolicy()
        policy.full = try Recurrence("weekly sunday 01:30")
        policy.forget = try Recurrence("monthly 2 00:00")
        policy.prune = .never
        #expect(
            Timetable(policy, replicates: false).recurrences
                == [.every(seconds: 3_600), try Recurrence("weekly sunday 01:30")])
        policy.incremental = .never
        policy.replicate = try Recurrence("every 15m")
        #expect(
            Timetable(policy, replicates: false).recurrences
                == [try Recurrence("weekly sunday 01:30"), try Recurrence("monthly 2")])
        #expect(Timetable(policy, replicates: true).recurrences == [try Recurrence("every 15m")])
    }

    /// Whatever the policy says: at each time at which something of it happens, the command is started.
    @Test(arguments: 0..<40) func nothingIsLeftOut(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        func some() throws -> Recurrence {
            try Recurrence(
                random.pick([
                    "never", "hourly", "every 15m", "every 6h", "every 45m", "every 24h", "daily", "daily 02:00",
                    "daily 02:30", "weekly sunday 02:00", "weekly monday", "monthly 1 02:00", "monthly 28 23:59",
                ]))
        }
        var policy = BackupPolicy()
        policy.full = try some()
        policy.incremental = try some()
        policy.replicate = try some()
        policy.forget = try some()
        policy.prune = try some()
        let timetable = Timetable(policy, replicates: true)
        for recurrence in [policy.full, policy.incremental, policy.replicate, policy.forget, policy.prune] {
            var now = 1_772_409_600 + random.integer(0..<30_000_000)
            for _ in 0..<20 {
                guard let next = recurrence.next(after: now) else { break }
                #expect(timetable.recurrences.contains { $0.last(at: next) == next }, "\(recurrence) at \(next)")
                now = next
            }
        }
    }
}
