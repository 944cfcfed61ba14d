internal import Operations

/// What a scheduler is to start, and when.
struct ScheduledJob {
    /// Name of units and objects.
    let name: String
    /// The program, as the scheduler finds it.
    let program: String
    /// The configuration file on the machine where it runs.
    var configurationPath: String
    let timetable: Timetable
    /// The folder that the repository is in; nil when it is elsewhere.
    let repositoryFolder: String?

    var arguments: [String] { ["run", "--config", configurationPath] }

    /// A number in two digits.
    static func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
