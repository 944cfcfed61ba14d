internal import Operations

/// A service and a timer for systemd, systemd.service(5) and systemd.timer(5).
struct SystemdUnits {
    let job: ScheduledJob

    /// One unit, or both with the names of their files before them.
    func text(of unit: String?) -> String {
        switch unit {
        case "service": service
        case "timer": timer
        default:
            "# /etc/systemd/system/\(job.name).service\n\(service)\n# /etc/systemd/system/\(job.name).timer\n\(timer)"
        }
    }

    private var service: String {
        let access = job.repositoryFolder.map { "ReadWritePaths=\(Self.quoted("-" + Self.escaped($0)))\n" } ?? ""
        return """
            [Unit]
            Description=Backups of MongoDB by the policy of \(Self.escaped(job.configurationPath))
            Wants=network-online.target
            After=network-online.target

            [Service]
            Type=oneshot
            ExecStart=\(Self.command([job.program] + job.arguments))
            # Another job holds the repository: what is due is done at the next start.
            SuccessExitStatus=11
            # SIGTERM ends a backup cleanly; what it stored is used again.
            TimeoutStopSec=5min
            Nice=10
            IOSchedulingClass=best-effort
            IOSchedulingPriority=7
            NoNewPrivileges=yes
            PrivateTmp=yes
            ProtectSystem=strict
            CacheDirectory=\(job.name)
            Environment=XDG_CACHE_HOME=%C/\(job.name)
            \(access)
            """
    }

    private var timer: String {
        """
        [Unit]
        Description=Starts \(job.name).service when something is due

        [Timer]
        \(job.timetable.recurrences.flatMap(Self.calendar).map { "OnCalendar=\($0)" }.joined(separator: "\n"))
        # What was missed while the machine was off is done once when it is on again.
        Persistent=yes
        AccuracySec=1min

        [Install]
        WantedBy=timers.target

        """
    }

    /// Calendar events, systemd.time(7).
    static func calendar(_ recurrence: Recurrence) -> [String] {
        let days =
            switch recurrence {
            case .weekly(let day, _): "\(Self.names[day]) *-*-*"
            case .monthly(let day, _): "*-*-\(ScheduledJob.two(day))"
            default: "*-*-*"
            }
        if case .every(let seconds) = recurrence, seconds < 86_400 {
            if seconds % 3_600 == 0 { return ["\(days) 00/\(seconds / 3_600):00:00 UTC"] }
            if 3_600 % seconds == 0 { return ["\(days) *:00/\(ScheduledJob.two(seconds / 60)):00 UTC"] }
        }
        return recurrence.timesOfDay.map { second in
            "\(days) \(ScheduledJob.two(second / 3_600)):\(ScheduledJob.two(second / 60 % 60)):00 UTC"
        }
    }

    private static let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

    /// A command line as systemd takes it apart: specifiers and variables are none.
    private static func command(_ words: [String]) -> String {
        words.map { quoted(escaped($0).replacing("$", with: "$$")) }.joined(separator: " ")
    }

    private static func escaped(_ text: String) -> String { text.replacing("%", with: "%%") }

    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x27 && $0 != 0x5C && $0 != 0x3B }
        return isPlain ? text : "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
