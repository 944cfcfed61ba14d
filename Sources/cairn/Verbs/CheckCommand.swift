internal import Archive
internal import ArgumentParser
internal import BSON
internal import Bytes
internal import Mongo
internal import Operations

/// `cairn check`.
struct CheckCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Look for damage.",
        discussion: """
            Without options every object is listed, opened and authenticated, and every reference is followed, which \
            finds all but damage inside the documents' chunks. --read-data reads those too. Exit code 13 means damage; \
            what it costs is named.

            Example:
              cairn check --read-data-subset 5%
            """)

    @OptionGroup var global: GlobalOptions

    @Flag(help: "Decrypt, decode, hash and validate every chunk.")
    var readData = false

    @Option(help: "The same for a random share of the packs, 5% for example: another share each time.")
    var readDataSubset: String?

    @Option(help: "Threads that read packs, 1 to 256.")
    var workers: Int?

    func validate() throws {
        if readData && readDataSubset != nil {
            throw ValidationError("--read-data and --read-data-subset exclude each other")
        }
        if let workers, !(1...256).contains(workers) { throw ValidationError("--workers takes a number from 1 to 256") }
        _ = try subset()
    }

    func run(_ session: Session) throws -> ExitStatus {
        var options = CheckRepository.Options(repository: try session.repositoryAccess())
        options.workers = workers ?? 0
        if readData { options.data = .all }
        if let percent = try subset() {
            options.data = .subset(percent: percent, seed: UInt64.random(in: .min ... .max))
        }
        let report = try session.runJob { progress, cancellation in
            try CheckRepository(options: options, progress: progress, cancellation: cancellation).run()
        }
        try session.emit(try CheckText.text(report), json: try CheckText.json(report))
        return report.isSound ? .done : .damaged
    }

    private func subset() throws -> Double? {
        guard let readDataSubset else { return nil }
        let digits = readDataSubset.hasSuffix("%") ? String(readDataSubset.dropLast()) : readDataSubset
        guard let percent = Double(digits), percent > 0, percent <= 100 else {
            throw ValidationError("--read-data-subset takes a share in percent, 5% for example")
        }
        return percent
    }
}

/// The wording of a check's report.
enum CheckText {
    /// How many affected ranges the text lists for one damage; the JSON has them all.
    private static let affectedShownMax = 10

    /// What was looked at, what is wrong, and what it costs.
    static func text(_ report: CheckReport) throws -> String {
        var text = ""
        for damage in report.damage {
            let place = damage.offset.map { "\(damage.object) at offset \($0)" } ?? damage.object
            text += Table.printable("damaged: \(place): \(damage.message)") + "\n"
            for affected in damage.affected.prefix(affectedShownMax) {
                text += "  " + Table.printable(try line(affected)) + "\n"
            }
            let rest = damage.affected.count + damage.affectedOmitted - affectedShownMax
            if rest > 0 { text += "  and \(Units.count(rest)) more places; --json lists them\n" }
        }
        for name in report.unknownObjects { text += Table.printable("unknown object: \(name)") + "\n" }
        if !report.leftovers.isEmpty {
            text +=
                "\(Units.count(report.leftovers.count)) packs are in no snapshot; the next backup uses what is in "
                + "them\n"
        }
        text += "\(Units.count(report.packs)) packs, \(Units.count(report.chunks)) chunks,"
        text += " \(Units.count(report.soundSnapshots.count + report.incompleteSnapshots.count)) snapshots;"
        text += " read \(Units.count(report.packsRead)) packs, \(Units.count(report.documentsRead)) documents,"
        text += " \(Units.bytes(report.rawBytesRead))\n"
        if report.isSound { return text + "no damage found\n" }
        return text + "\(Units.count(report.damage.count)) damaged; "
            + "\(Units.count(report.incompleteSnapshots.count)) snapshots are incomplete\n"
    }

    private static func line(_ affected: Affected) throws -> String {
        var line = "snapshot \(SnapshotText.short(affected.snapshot)), \(affected.namespace ?? "unknown namespaces")"
        line += affected.documents.map { ", \(Units.count($0)) documents" } ?? ""
        if let first = try id(affected.firstID), let last = try id(affected.lastID) {
            line += first == last ? ", _id \(first)" : ", _id \(first) to \(last)"
        }
        return line
    }

    /// The value of an `_id` element as extended JSON.
    private static func id(_ identity: [UInt8]) throws -> String? {
        guard !identity.isEmpty else { return nil }
        let document = try ExtendedJSON.canonical(try DocumentIdentity.document(of: identity.rawSpan))
        return String(document.drop { $0 != ":" }.dropFirst(2).dropLast(2))
    }

    /// Everything that the report holds.
    static func json(_ report: CheckReport) throws -> JSON {
        .object([
            ("sound", .bool(report.isSound)),
            ("damage", .array(try report.damage.map(json))),
            ("soundSnapshots", JSON(report.soundSnapshots.map(\.hex))),
            ("incompleteSnapshots", JSON(report.incompleteSnapshots.map(\.hex))),
            ("leftovers", JSON(report.leftovers.map(\.hex))),
            ("unindexed", JSON(report.unindexed.map(\.hex))),
            ("unknownObjects", JSON(report.unknownObjects)),
            ("packs", .integer(report.packs)),
            ("chunks", .integer(report.chunks)),
            ("packsRead", .integer(report.packsRead)),
            ("chunksRead", .integer(report.chunksRead)),
            ("documentsRead", .integer(report.documentsRead)),
            ("rawBytesRead", .integer(report.rawBytesRead)),
        ])
    }

    private static func json(_ damage: Damage) throws -> JSON {
        .object([
            ("object", .string(damage.object)), ("offset", damage.offset.map { .integer($0) } ?? .null),
            ("message", .string(damage.message)),
            (
                "affected",
                .array(
                    try damage.affected.map { affected in
                        .object([
                            ("snapshot", .string(affected.snapshot.hex)), ("namespace", JSON(affected.namespace)),
                            ("documents", affected.documents.map { .integer($0) } ?? .null),
                            ("firstId", try id(affected.firstID).map { .verbatim($0) } ?? .null),
                            ("lastId", try id(affected.lastID).map { .verbatim($0) } ?? .null),
                        ])
                    })
            ),
            ("affectedOmitted", .integer(damage.affectedOmitted)),
        ])
    }
}
