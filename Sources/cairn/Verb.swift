internal import ArgumentParser

/// A verb of the command line: options, and what to do with a session. Everything that is worth a test of its own is
/// in `Operations`; a verb only asks for it and renders what it gets.
protocol Verb: ParsableCommand {
    /// The options that every verb knows.
    var global: GlobalOptions { get }
    /// What the verb's own flags set.
    var settings: [Setting: SettingValue] { get }
    /// Does the work; the status is that of a verb which delivered its result.
    func run(_ session: Session) throws -> ExitStatus
}

extension Verb {
    var settings: [Setting: SettingValue] { [:] }

    func run() throws {
        let status = try run(Session(options: global, flags: settings))
        if status != .done { throw VerbEnded(status: status) }
    }
}
