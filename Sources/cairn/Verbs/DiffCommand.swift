internal import Archive
internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn diff`.
struct DiffCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Compare two snapshots, collection by collection.",
        discussion: """
            Chunks that both have are not read, so the time follows the difference and not the data. With --ids each \
            document that differs has a line: + added, - removed, ~ changed, with namespace and _id.

            Example:
              cairn diff 3f2a9c1e latest --ids
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "The earlier snapshot: id, the start of one, or latest.")
    var first: String

    @Argument(help: "The later snapshot.")
    var second: String

    @Flag(help: "List the _id of every document that differs.")
    var ids = false

    func run(_ session: Session) throws -> ExitStatus {
        let diff = Diff(access: try session.repositoryAccess(), from: first, to: second)
        var listed = DiffIDs()
        var output = OutputBuffer()
        let json = session.json
        let report = try diff.run(
            visitor: !ids
                ? nil
                : { namespace, change, identity in
                    let id = try IdentityJSON.text(identity)
                    if json {
                        listed.add(namespace, change, id)
                    } else {
                        try output.append(Array(DiffText.line(namespace, change, id).utf8))
                    }
                })
        try output.flush()
        try session.emit(DiffText.text(report), json: DiffText.json(report, ids ? listed : nil))
        return .done
    }
}

/// The `_id`s of documents that differ, by collection and change.
struct DiffIDs {
    private var ids: [String: [SnapshotDiff.Change: [String]]] = [:]

    /// Notes a document; nil stands for one without `_id`.
    mutating func add(_ namespace: String, _ change: SnapshotDiff.Change, _ id: String?) {
        ids[namespace, default: [:]][change, default: []].append(id ?? "null")
    }

    /// The `_id`s of one collection.
    func json(_ namespace: String) -> JSON {
        func list(_ change: SnapshotDiff.Change) -> JSON {
            .array((ids[namespace]?[change] ?? []).map { .verbatim($0) })
        }
        return .object([("added", list(.added)), ("removed", list(.removed)), ("changed", list(.changed))])
    }
}

/// The wording of a comparison.
enum DiffText {
    /// One line for one document.
    static func line(_ namespace: String, _ change: SnapshotDiff.Change, _ id: String?) -> String {
        let mark =
            switch change {
            case .added: "+"
            case .removed: "-"
            case .changed: "~"
            }
        return Table.printable("\(mark) \(namespace) \(id ?? "(no _id)")") + "\n"
    }

    /// A table of the collections that differ.
    static func text(_ report: Diff.Report) -> String {
        var table = Table([
            ("NAMESPACE", .left), ("ADDED", .right), ("REMOVED", .right), ("CHANGED", .right), ("", .left),
        ])
        let differing = report.collections.filter { !$0.isEqual }
        for line in differing {
            table.add([
                line.namespace, Units.count(line.added), Units.count(line.removed), Units.count(line.changed),
                note(line),
            ])
        }
        let equal = "\(Units.count(report.collections.count - differing.count)) namespaces are equal\n"
        return (differing.isEmpty ? "" : table.text) + equal
    }

    private static func note(_ line: SnapshotDiff.Collection) -> String {
        if line.isNew { return "new" }
        if line.isGone { return "gone" }
        return line.definitionChanged ? "definition changed" : ""
    }

    /// Everything that the report holds; equal collections are left out.
    static func json(_ report: Diff.Report, _ ids: DiffIDs?) -> JSON {
        .object([
            ("from", .string(report.first.id.hex)),
            ("to", .string(report.second.id.hex)),
            ("equal", .integer(report.collections.count(where: \.isEqual))),
            ("collections", .array(report.collections.filter { !$0.isEqual }.map { json($0, ids) })),
        ])
    }

    private static func json(_ line: SnapshotDiff.Collection, _ ids: DiffIDs?) -> JSON {
        var members: [(String, JSON)] = [
            ("namespace", .string(line.namespace)), ("new", .bool(line.isNew)), ("gone", .bool(line.isGone)),
            ("definitionChanged", .bool(line.definitionChanged)), ("added", .integer(line.added)),
            ("removed", .integer(line.removed)), ("changed", .integer(line.changed)),
        ]
        if let ids { members.append(("ids", ids.json(line.namespace))) }
        return .object(members)
    }
}
