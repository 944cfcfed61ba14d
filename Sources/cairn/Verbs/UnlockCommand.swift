internal import Archive
internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn unlock`.
struct UnlockCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "unlock", abstract: "Remove the leases of jobs that died.",
        discussion: """
            A lease that is not renewed expires by itself. --force removes those in force too: only sensible when \
            surely no other job works on the repository. A job whose lease is taken from it stops before its commit.

            Example:
              cairn unlock --force
            """)

    @OptionGroup var global: GlobalOptions

    @Flag(help: "Remove leases that have not expired as well.")
    var force = false

    func run(_ session: Session) throws -> ExitStatus {
        let report = try Unlock(access: session.repositoryAccess(), force: force).run()
        try session.emit(text(report), json: json(report))
        return .done
    }

    private func text(_ report: Unlock.Report) -> String {
        var text = report.removed.isEmpty ? "nothing to remove\n" : "removed \(report.removed.count) leases\n"
        for lease in report.removed { text += "  \(line(lease))\n" }
        if !report.kept.isEmpty { text += "left \(report.kept.count) in force; --force removes them too\n" }
        for lease in report.kept { text += "  \(line(lease))\n" }
        return text
    }

    private func line(_ lease: FoundLease) -> String {
        switch lease.content {
        case .success(let record):
            let ends = UTC.iso8601(Int(record.expires / 1000))
            return Table.printable(
                "\(SnapshotText.short(lease.id)) \(record.kind.rawValue), ends \(ends): \(record.note)")
        case .failure(let error): return Table.printable("\(SnapshotText.short(lease.id)) \(error.message)")
        }
    }

    private func json(_ report: Unlock.Report) -> JSON {
        .object([("removed", .array(report.removed.map(json))), ("kept", .array(report.kept.map(json)))])
    }

    private func json(_ lease: FoundLease) -> JSON {
        var members: [(String, JSON)] = [("id", .string(lease.id.hex))]
        if case .success(let record) = lease.content {
            members += [
                ("kind", .string(record.kind.rawValue)), ("note", .string(record.note)),
                ("created", .string(UTC.iso8601(Int(record.created / 1000)))),
                ("expires", .string(UTC.iso8601(Int(record.expires / 1000)))),
            ]
        }
        return .object(members)
    }
}
