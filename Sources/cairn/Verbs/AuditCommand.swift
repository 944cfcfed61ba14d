internal import Archive
internal import ArgumentParser
internal import BSON
internal import Bytes
internal import Mongo
internal import Operations

/// `cairn audit`.
struct AuditCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "List what was done to the repository, and check that nothing was struck out.",
        discussion: """
            Each record names the hashes of those before it: one that is altered or missing is reported with exit \
            code 13. The newest records can be removed without a trace; note the last line elsewhere against that.

            Example:
              cairn audit --json
            """)

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) throws -> ExitStatus {
        let report = try AuditLog(access: session.repositoryAccess()).run()
        try session.emit(try text(report), json: try json(report))
        session.report(report.problems)
        return report.problems.isEmpty ? .done : .damaged
    }

    private func text(_ report: AuditReport) throws -> String {
        var table = Table([
            ("TIME", .left), ("OPERATION", .left), ("PROGRAM", .left), ("RECORD", .left), ("DETAILS", .left),
        ])
        for record in report.records {
            table.add([
                UTC.iso8601(Int(record.at / 1000)), record.operation, record.program, record.id.hex,
                record.details.names.isEmpty ? "" : try ExtendedJSON.canonical(record.details),
            ])
        }
        return table.text
    }

    private func json(_ report: AuditReport) throws -> JSON {
        .object([
            ("records", .array(try report.records.map(json))),
            ("heads", JSON(report.heads.map(\.hex))),
            ("intact", .bool(report.problems.isEmpty)),
        ])
    }

    private func json(_ record: AuditRecord) throws -> JSON {
        .object([
            ("id", .string(record.id.hex)), ("at", .string(UTC.iso8601(Int(record.at / 1000)))),
            ("operation", .string(record.operation)), ("program", .string(record.program)),
            ("details", .verbatim(try ExtendedJSON.canonical(record.details))),
            ("previous", JSON(record.previous.map(\.id.hex))),
        ])
    }
}
