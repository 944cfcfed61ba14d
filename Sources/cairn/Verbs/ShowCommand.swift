internal import Archive
internal import ArgumentParser
internal import BSON
internal import Bytes
internal import Mongo
internal import Operations

/// `cairn show`.
struct ShowCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one snapshot and the namespaces in it.",
        discussion: """
            Example:
              cairn show latest --ns-include 'shop.*'
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Id of the snapshot, the start of one, or latest.")
    var snapshot = "latest"

    @Option(help: "Show only namespaces that match (db.*, db.coll, *); may be repeated.")
    var nsInclude: [String] = []

    @Option(help: "Leave out namespaces that match; may be repeated, wins over --ns-include.")
    var nsExclude: [String] = []

    func run(_ session: Session) throws -> ExitStatus {
        let report = try Show(
            access: session.repositoryAccess(), snapshot: snapshot, include: nsInclude, exclude: nsExclude
        ).run()
        try session.emit(try ShowText.text(report), json: try ShowText.json(report))
        return .done
    }
}

/// The wording of a snapshot with its catalogue.
enum ShowText {
    /// The snapshot's properties, then a table of its namespaces.
    static func text(_ report: Show.Report) throws -> String {
        let snapshot = report.snapshot
        let source = snapshot.source
        var properties = [
            ("snapshot", snapshot.id.hex),
            ("kind", snapshot.kind.rawValue),
            ("time", "\(SnapshotText.time(snapshot.at)) (\(snapshot.at))" + (snapshot.exact ? "" : ", not exact")),
            ("taken", "\(time(snapshot.started)) to \(time(snapshot.finished))"),
            ("source", "\(source.set.map { $0 + "/" } ?? "")\(source.host), mongod \(source.serverVersion)"),
            ("documents", Units.count(snapshot.totals.documents)),
            ("size", Units.bytes(snapshot.totals.rawBytes)),
            ("added", Units.bytes(snapshot.totals.addedBytes)),
        ]
        if let parent = snapshot.parent { properties.insert(("parent", parent.hex), at: 2) }
        if !snapshot.tags.isEmpty { properties.append(("tags", snapshot.tags.joined(separator: ", "))) }
        for warning in snapshot.warnings { properties.append(("warning", warning)) }
        var text = ""
        for (name, value) in properties {
            text += name + String(repeating: " ", count: 11 - name.count) + Table.printable(value) + "\n"
        }
        return text + "\n" + table(report.entries)
    }

    private static func table(_ entries: [CatalogueEntry]) -> String {
        var table = Table([
            ("NAMESPACE", .left), ("TYPE", .left), ("DOCUMENTS", .right), ("SIZE", .right), ("CHUNKS", .right),
            ("INDEXES", .right),
        ])
        for entry in entries {
            table.add([
                entry.namespace, type(of: entry), Units.count(entry.liveDocuments), Units.bytes(entry.totalRawBytes),
                Units.count(entry.totalLeafCount), String(entry.indexes.count),
            ])
        }
        return table.text
    }

    private static func type(of entry: CatalogueEntry) -> String {
        if entry.kind == .collection, entry.options["capped"] == .bool(true) { return "capped" }
        return entry.kind.rawValue
    }

    /// The snapshot in the shape of `snapshots --json`, with what only `show` tells behind it.
    static func json(_ report: Show.Report) throws -> JSON {
        guard case .object(var members) = SnapshotText.json(BackupReport(report.snapshot)) else {
            preconditionFailure("a snapshot is an object")
        }
        let snapshot = report.snapshot
        let source = snapshot.source
        members += [
            ("exact", .bool(snapshot.exact)),
            ("started", .string(time(snapshot.started))),
            ("finished", .string(time(snapshot.finished))),
            ("scanOrder", .string(snapshot.scanOrder.rawValue)),
            (
                "source",
                .object([
                    ("set", JSON(source.set)), ("host", .string(source.host)),
                    ("serverVersion", .string(source.serverVersion)),
                    ("featureCompatibilityVersion", .string(source.featureCompatibilityVersion)),
                ])
            ),
            ("catalogue", .array(try report.entries.map(json))),
        ]
        return .object(members)
    }

    private static func json(_ entry: CatalogueEntry) throws -> JSON {
        .object([
            ("db", .string(entry.database)),
            ("coll", .string(entry.collection)),
            ("type", .string(entry.kind.rawValue)),
            ("uuid", JSON(entry.uuid.map(Hex.encode))),
            ("documents", .integer(entry.liveDocuments)),
            ("rawBytes", .integer(entry.totalRawBytes)),
            ("chunks", .integer(entry.totalLeafCount)),
            ("options", .verbatim(try ExtendedJSON.canonical(entry.options))),
            ("indexes", .array(try entry.indexes.map { .verbatim(try ExtendedJSON.canonical($0)) })),
        ])
    }

    private static func time(_ milliseconds: Int64) -> String { UTC.iso8601(Int(milliseconds / 1000)) }
}
