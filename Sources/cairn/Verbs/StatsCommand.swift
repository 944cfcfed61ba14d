internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn stats`.
struct StatsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Show what the repository holds and what it saves.",
        discussion: """
            Example:
              cairn stats --json
            """)

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) throws -> ExitStatus {
        let report = try Stats(access: session.repositoryAccess()).run()
        try session.emit(text(report), json: json(report))
        return .done
    }

    private func text(_ report: Stats.Report) -> String {
        var folders = Table([("OBJECTS", .left), ("COUNT", .right), ("SIZE", .right)])
        for folder in report.folders {
            folders.add([folder.name, Units.count(folder.objects), Units.bytes(folder.bytes)])
        }
        var chunks = Table([
            ("CHUNKS", .left), ("COUNT", .right), ("RAW", .right), ("STORED", .right), ("RATIO", .right),
        ])
        for line in report.chunks {
            chunks.add([
                line.type, Units.count(line.count), Units.bytes(line.rawBytes), Units.bytes(line.storedBytes),
                Units.share(line.storedBytes, of: line.rawBytes),
            ])
        }
        return """
            repository \(report.repository.hex), made \(UTC.iso8601(Int(report.created / 1000)))

            \(folders.text)
            \(chunks.text)
            snapshots         \(Units.count(report.snapshots))
            size of all       \(Units.bytes(report.snapshotRawBytes))
            size of newest    \(Units.bytes(report.newestRawBytes))
            stored            \(Units.bytes(report.storedBytes)), \
            \(Units.share(report.storedBytes, of: report.snapshotRawBytes)) of all, \
            \(Units.share(report.storedBytes, of: report.newestRawBytes)) of the newest
            index in memory   \(Units.bytes(report.indexMemory))

            """
    }

    private func json(_ report: Stats.Report) -> JSON {
        .object([
            ("repository", .string(report.repository.hex)),
            ("created", .string(UTC.iso8601(Int(report.created / 1000)))),
            ("snapshots", .integer(report.snapshots)),
            ("snapshotRawBytes", .integer(report.snapshotRawBytes)),
            ("newestRawBytes", .integer(report.newestRawBytes)),
            ("storedBytes", .integer(report.storedBytes)),
            ("indexMemory", .integer(report.indexMemory)),
            (
                "objects",
                .array(
                    report.folders.map {
                        .object([
                            ("name", .string($0.name)), ("count", .integer($0.objects)), ("bytes", .integer($0.bytes)),
                        ])
                    })
            ),
            (
                "chunks",
                .array(
                    report.chunks.map {
                        .object([
                            ("type", .string($0.type)), ("count", .integer($0.count)),
                            ("rawBytes", .integer($0.rawBytes)), ("storedBytes", .integer($0.storedBytes)),
                        ])
                    })
            ),
        ])
    }
}
