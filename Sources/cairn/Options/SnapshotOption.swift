internal import ArgumentParser
internal import Operations

/// The options of verbs that read one state of the archive: a snapshot, or any time that can be restored.
struct SnapshotOption: ParsableArguments {
    @Option(help: "Id of the snapshot, the start of one, or latest (default).")
    var snapshot: String?

    // A time such as -2h begins like an option.
    @Option(
        parsing: .unconditional,
        help: "A time instead: 2026-01-31T12:00:00Z, epoch seconds, TIMESTAMP:INCREMENT, latest, or an age like -2h.")
    var at: String?

    @Option(help: "With --at: the replica set, when the repository holds several.")
    var set: String?

    func validate() throws {
        if snapshot != nil && at != nil { throw ValidationError("--snapshot and --at exclude each other") }
        if set != nil && at == nil { throw ValidationError("--set needs --at") }
    }

    /// What is meant.
    func moment() throws -> Moment {
        guard let at else { return .snapshot(snapshot ?? "latest") }
        return .time(try TimeSelection(at), set: set)
    }
}
