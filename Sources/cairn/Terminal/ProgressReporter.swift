internal import Bytes
internal import Operations

/// Shows a job's counters while it runs, from a thread of its own: a bar on a terminal, one line a minute otherwise,
/// a JSON line a second with `--json`, nothing with `--quiet`.
final class ProgressReporter {
    /// How the counters are shown.
    enum Style {
        case bar
        case lines
        case json
        case none

        /// The style that fits the options and where standard error goes.
        static func fitting(json: Bool, quiet: Bool) -> Style {
            if quiet { return .none }
            if json { return .json }
            return Console.shared.drawsBar ? .bar : .lines
        }

        var intervalMilliseconds: Int64 {
            switch self {
            case .bar: 200
            case .json: 1000
            case .lines, .none: 60_000
            }
        }
    }

    private let end = StopSignal()
    private let thread: OwnedThread?

    /// Starts to show `progress`.
    init(_ progress: JobProgress, style: Style) {
        guard style != .none else {
            thread = nil
            return
        }
        thread = OwnedThread(name: "progress") { [end] in
            var pace = Pace()
            while !end.wait(milliseconds: style.intervalMilliseconds) {
                let reading = progress.reading()
                pace.observe(reading, at: System.monotonicSeconds())
                if reading.phase.isEmpty { continue }
                ProgressReporter.show(reading, pace: pace, style: style)
            }
        }
    }

    /// Stops and removes the bar. Called once, before the result is written.
    func stop() {
        end.stop()
        thread?.join()
        Console.shared.draw(bar: "")
    }

    private static func show(_ reading: JobProgress.Reading, pace: Pace, style: Style) {
        switch style {
        case .bar:
            let columns = System.columns(of: System.standardError)
            Console.shared.draw(bar: String(ProgressText.bar(reading, pace: pace).prefix(max(columns - 1, 0))))
        case .lines: Console.shared.writeMessage(ProgressText.line(reading, pace: pace))
        case .json: Console.shared.writeMessage(ProgressText.json(reading, pace: pace).text)
        case .none: break
        }
    }
}

/// Rates and the time to go, from readings taken now and then.
struct Pace {
    private var phase = ""
    private var last = (seconds: 0.0, bytesIn: 0, bytesStored: 0)
    private var begin: Double?

    /// Smoothed bytes a second from the source.
    private(set) var bytesInPerSecond = 0.0
    /// Smoothed bytes a second into the repository or the target.
    private(set) var bytesStoredPerSecond = 0.0
    /// Seconds since the phase was first seen.
    private(set) var seconds = 0.0
    /// Seconds to go if the rest of the phase goes on as what is done did, share by share; nil while that is unknown.
    private(set) var secondsLeft: Double?

    /// How much of the old rate is forgotten each second; two or three seconds of memory calm the figures down.
    private static let forgetting = 0.4

    /// Takes a reading at a time of a clock that never jumps.
    mutating func observe(_ reading: JobProgress.Reading, at now: Double) {
        if begin == nil || reading.phase != phase || reading.bytesIn < last.bytesIn {
            self = Pace()
            phase = reading.phase
            begin = now
        } else if now > last.seconds {
            let elapsed = now - last.seconds
            let first = bytesInPerSecond == 0 && bytesStoredPerSecond == 0
            let share = first ? 1 : min(1, Pace.forgetting * elapsed)
            let rateIn = Double(reading.bytesIn - last.bytesIn) / elapsed
            let rateStored = Double(reading.bytesStored - last.bytesStored) / elapsed
            bytesInPerSecond += (rateIn - bytesInPerSecond) * share
            bytesStoredPerSecond += (rateStored - bytesStoredPerSecond) * share
        }
        last = (now, reading.bytesIn, reading.bytesStored)
        seconds = now - (begin ?? now)
        secondsLeft = ProgressText.share(of: reading).flatMap { share in
            share > 0 && seconds > 0 ? seconds * (1 - share) / share : nil
        }
    }
}

/// The wording of a reading.
enum ProgressText {
    private static let barWidth = 20

    /// One line for a terminal; cut to its width by the caller, so the figures that matter most come first.
    static func bar(_ reading: JobProgress.Reading, pace: Pace) -> String {
        var text = Table.printable(reading.phase)
        if let share = share(of: reading) {
            let filled = Int(share * Double(barWidth))
            text += " [" + String(repeating: "#", count: filled) + String(repeating: "-", count: barWidth - filled)
            text += "] \(Int(share * 100)) %"
        }
        let figures = figures(reading, pace: pace)
        return figures.isEmpty ? text : text + "  " + figures
    }

    /// One line for a log.
    static func line(_ reading: JobProgress.Reading, pace: Pace) -> String {
        let share = share(of: reading).map { " \(Int($0 * 100)) %," } ?? ""
        return "\(UTC.iso8601(System.unixSeconds())) \(Table.printable(reading.phase)):\(share) "
            + figures(reading, pace: pace)
    }

    /// `{"progress": {…}}` with plain numbers.
    static func json(_ reading: JobProgress.Reading, pace: Pace) -> JSON {
        .object([
            (
                "progress",
                .object([
                    ("phase", .string(reading.phase)),
                    ("collection", .string(reading.collection)),
                    ("collections", .integer(reading.collections)),
                    ("totalCollections", .integer(reading.totalCollections)),
                    ("documents", .integer(reading.documents)),
                    ("totalDocuments", .integer(reading.totalDocuments)),
                    ("bytesIn", .integer(reading.bytesIn)),
                    ("totalBytes", .integer(reading.totalBytes)),
                    ("bytesStored", .integer(reading.bytesStored)),
                    ("seconds", .number(pace.seconds)),
                    ("secondsLeft", pace.secondsLeft.map { .number($0) } ?? .null),
                ])
            )
        ])
    }

    /// Only what the phase has: a phase that stores nothing shows no rate of storing.
    private static func figures(_ reading: JobProgress.Reading, pace: Pace) -> String {
        var parts: [String] = []
        if !reading.collection.isEmpty { parts.append(Table.printable(reading.collection)) }
        if reading.documents > 0 { parts.append("\(Units.count(reading.documents)) documents") }
        if reading.bytesIn > 0 { parts.append("\(Units.rate(pace.bytesInPerSecond)) in") }
        if reading.bytesStored > 0 {
            parts.append("\(Units.rate(pace.bytesStoredPerSecond)) out")
            parts.append("ratio \(Units.share(reading.bytesStored, of: reading.bytesIn))")
        }
        if let left = pace.secondsLeft { parts.append("ETA \(Units.duration(left))") }
        return parts.joined(separator: "  ")
    }

    /// How much of the phase is done, 0 to 1. By bytes when known, else by documents, else by collections; the totals
    /// are estimates, so 1 is not passed.
    static func share(of reading: JobProgress.Reading) -> Double? {
        let pairs = [
            (reading.bytesIn, reading.totalBytes), (reading.documents, reading.totalDocuments),
            (reading.collections, reading.totalCollections),
        ]
        guard let (done, total) = pairs.first(where: { $0.1 > 0 }) else { return nil }
        return min(1, Double(done) / Double(total))
    }
}
