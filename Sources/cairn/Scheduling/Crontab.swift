internal import Operations

/// Lines for a crontab, crontab(5).
struct Crontab {
    let job: ScheduledJob

    var text: String {
        """
        # Times are UTC. A cron that does not know CRON_TZ goes by the machine's own zone; what is due is done then at
        # its next start, so with an hourly line that makes no difference.
        CRON_TZ=UTC
        \(lines.map { "\($0) \(command)" }.joined(separator: "\n"))

        """
    }

    private var lines: [String] { job.timetable.recurrences.flatMap(Self.times) }

    /// In a crontab a percent sign is a new line unless it is escaped.
    private var command: String {
        ([job.program] + job.arguments).map(Self.quoted).joined(separator: " ").replacing("%", with: "\\%")
    }

    /// The five fields; a line for each minute of the hour on which it happens at hours of its own.
    static func times(_ recurrence: Recurrence) -> [String] {
        let days =
            switch recurrence {
            case .weekly(let day, _): "* * \((day + 1) % 7)"
            case .monthly(let day, _): "\(day) * *"
            default: "* * *"
            }
        if case .every(let seconds) = recurrence, seconds < 86_400 {
            if seconds % 3_600 == 0 { return ["0 \(seconds == 3_600 ? "*" : "*/\(seconds / 3_600)") \(days)"] }
            if 3_600 % seconds == 0 { return ["\(seconds == 60 ? "*" : "*/\(seconds / 60)") * \(days)"] }
        }
        let minutes = Dictionary(grouping: recurrence.timesOfDay) { $0 / 60 % 60 }
        return minutes.sorted { $0.key < $1.key }.map { minute, times in
            "\(minute) \(times.map { "\($0 / 3_600)" }.joined(separator: ",")) \(days)"
        }
    }

    private static func quoted(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || "/._-+:@=".utf8.contains(byte)
        }
        return isPlain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
    }
}
