internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn init`.
struct InitCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a repository.",
        discussion: """
            With --passphrase-file or --key-file nothing is asked. Without the passphrase or the key file nobody can \
            read the repository again: keep a copy of it elsewhere.

            Example:
              cairn init -r /srv/backup --passphrase-file /etc/cairn/passphrase
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "What `key list` calls the first key.")
    var label = "first key"

    func run(_ session: Session) throws -> ExitStatus {
        let access = try session.newRepositoryAccess()
        let report = try Init(access: access, keyLabel: try KeyLabel.checked(label)).run()
        try session.emit(
            "made repository \(SnapshotText.short(report.id)) in \(report.location)\n",
            json: .object([
                ("id", .string(report.id.hex)), ("location", .string(report.location)),
                ("key", .string(report.key.hex)), ("formatVersion", .integer(report.formatVersion)),
            ]))
        return .done
    }
}
