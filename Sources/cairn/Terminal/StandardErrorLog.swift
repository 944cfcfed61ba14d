internal import Logging

/// Log messages as lines on standard error: words for people, `{"log": …}` with `--json`.
struct StandardErrorLog: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let json: Bool

    init(level: Logger.Level, json: Bool) {
        logLevel = level
        self.json = json
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }.sorted { $0.key < $1.key }
        if json {
            var members: [(String, JSON)] = [
                ("level", .string(event.level.rawValue)), ("message", .string(event.message.description)),
            ]
            if !all.isEmpty { members.append(("metadata", .object(all.map { ($0.key, .string("\($0.value)")) }))) }
            Console.shared.writeMessage(JSON.object([("log", .object(members))]).text)
            return
        }
        let details = all.map { " \($0.key)=\($0.value)" }.joined()
        let level = event.level == .info ? "" : "\(event.level.rawValue): "
        // systemd and Kubernetes stamp the lines themselves, cron does not: a time costs little and helps there.
        let stamp = System.isTerminal(System.standardError) ? "" : UTC.iso8601(System.unixSeconds()) + " "
        Console.shared.writeMessage("\(stamp)\(level)\(Table.printable(event.message.description + details))")
    }
}
