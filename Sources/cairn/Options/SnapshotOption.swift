internal import ArgumentParser

/// The option of verbs that read one snapshot.
struct SnapshotOption: ParsableArguments {
    @Option(help: "Id of the snapshot, the start of one, or latest.")
    var snapshot = "latest"
}
