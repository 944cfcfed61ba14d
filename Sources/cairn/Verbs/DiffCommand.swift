internal import Archive
internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn diff`.
struct DiffCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Compare two snapshots or times, collection by collection.",
        discussion: """
            Each side is a snapshot (id, the start of one, latest) or @TIME, any time that --at of other verbs takes; \
            --at TIME is the same as @TIME behind the other arguments. Chunks that both have are not read, so the time \
            follows the difference and not the data. With --ids each document that differs has a line: + added, \
            - removed, ~ changed, with namespace and _id.

            Example:
              cairn diff 3f2a9c1e latest --ids
              cairn diff @2026-01-31T12:00:00Z @-2h
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "The earlier state, then the later one: ids of snapshots, or @TIME.")
    var states: [String] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: "A time as a further state: RFC 3339, epoch seconds, TIMESTAMP:INCREMENT, latest, or -2h.")
    var at: [String] = []

    @Option(help: "With a time: the replica set, when the repository holds several.")
    var set: String?

    @Flag(help: "List the _id of every document that differs.")
    var ids = false

    func validate() throws {
        guard states.count + at.count == 2 else {
            throw ValidationError("diff compares two states: \(states.count + at.count) were given")
        }
    }

    private func moments() throws -> [Moment] {
        try (states + at.map { "@" + $0 }).map { text in
            text.hasPrefix("@")
                ? .time(try TimeSelection(String(text.dropFirst())), set: set) : .snapshot(text)
        }
    }

    func run(_ session: Session) throws -> ExitStatus {
        let moments = try moments()
        let diff = Diff(access: try session.repositoryAccess(), from: moments[0], to: moments[1])
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
    /// By the bytes of the namespace: to `String`, names that differ only in Unicode normalisation are one.
    private var ids: [[UInt8]: [Diff.Change: [String]]] = [:]

    /// Notes a document; nil stands for one without `_id`.
    mutating func add(_ namespace: String, _ change: Diff.Change, _ id: String?) {
        ids[Array(namespace.utf8), default: [:]][change, default: []].append(id ?? "null")
    }

    /// The `_id`s of one collection.
    func json(_ namespace: String) -> JSON {
        let own = ids[Array(namespace.utf8)]
        func list(_ change: Diff.Change) -> JSON {
            .array((own?[change] ?? []).map { .verbatim($0) })
        }
        return .object([("added", list(.added)), ("removed", list(.removed)), ("changed", list(.changed))])
    }
}

/// The wording of a comparison.
enum DiffText {
    /// One line for one document.
    static func line(_ namespace: String, _ change: Diff.Change, _ id: String?) -> String {
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

    private static func note(_ line: Diff.Collection) -> String {
        if line.isNew { return "new" }
        if line.isGone { return "gone" }
        return line.definitionChanged ? "definition changed" : ""
    }

    /// Everything that the report holds; equal collections are left out.
    static func json(_ report: Diff.Report, _ ids: DiffIDs?) -> JSON {
        .object([
            ("from", .string(report.first.snapshot.id.hex)),
            ("fromAt", SnapshotText.json(report.first.time)),
            ("to", .string(report.second.snapshot.id.hex)),
            ("toAt", SnapshotText.json(report.second.time)),
            ("equal", .integer(report.collections.count(where: \.isEqual))),
            ("collections", .array(report.collections.filter { !$0.isEqual }.map { json($0, ids) })),
        ])
    }

    private static func json(_ line: Diff.Collection, _ ids: DiffIDs?) -> JSON {
        var members: [(String, JSON)] = [
            ("namespace", .string(line.namespace)), ("new", .bool(line.isNew)), ("gone", .bool(line.isGone)),
            ("definitionChanged", .bool(line.definitionChanged)), ("added", .integer(line.added)),
            ("removed", .integer(line.removed)), ("changed", .integer(line.changed)),
        ]
        if let ids { members.append(("ids", ids.json(line.namespace))) }
        return .object(members)
    }
}
