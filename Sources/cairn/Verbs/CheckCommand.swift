internal import Archive
internal import ArgumentParser
internal import BSON
internal import Bytes
internal import ObjectStore
internal import Operations

/// `cairn check`.
struct CheckCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Look for damage.",
        discussion: """
            Without options every object is listed, opened and authenticated, and every reference is followed, which \
            finds all but damage inside the documents' chunks. --read-data reads those too. Exit code 13 means damage; \
            what it costs is named.

            --repair makes the best of damage: whatever it touches is copied to `damaged/` first; then index objects \
            are made anew from the packs, and what is whole in damaged packs is moved to new ones. The next backup \
            stores what is missing again, and earlier snapshots become whole with it. With --from, a replica is asked \
            before that: its copy of each damaged or lost object is put back once it has been authenticated, and all \
            its chunks decrypted and hashed; so are snapshots and segments that it has and nobody removed. Combine it \
            with --read-data to heal damage inside chunks.

            --replay proves snapshots by the oplog: each is compared with the one before it and all operations since, \
            document for document, and the newest with the oldest, across all in between. No server is needed; every \
            snapshot is read about twice. --every-pair compares each with all before it, which for n snapshots takes \
            about n²/2 readings of one. Exit code 3 means that a pair could not be compared, because its first \
            snapshot was taken while $out made a collection.

            --against compares a snapshot, or with --at any restorable time, with the replica set that it was taken \
            from, read at that very time: definitions, and every document. The server keeps only the history of its \
            last minSnapshotHistoryWindowInSeconds, so compare right behind a backup; later the exit code is 1 and \
            nothing was compared. Exit code 13 means that something differs (+ only in the snapshot, - only on the \
            server, ~ unlike), 3 that definitions changed since, so that not everything could be compared.

            Example:
              cairn check --read-data-subset 5%
              cairn check --read-data --repair --from west --config /etc/cairn.yaml
              cairn check --replay
              cairn check --against --uri-file /etc/cairn/uri --ns-include 'shop.*'
            """)

    @OptionGroup var global: GlobalOptions

    @Flag(help: "Decrypt, decode, hash and validate every chunk.")
    var readData = false

    @Option(help: "The same for a random share of the packs, 5% for example: another share each time.")
    var readDataSubset: String?

    @Flag(help: "Repair what was found; nobody else may work on the repository.")
    var repair = false

    @Option(help: "With --repair: a replica of the configuration, or a location, to heal from; may be repeated.")
    var from: [String] = []

    @Flag(help: "Compare each snapshot with what the one before it and the oplog lead to.")
    var replay = false

    @Flag(help: "With --replay: compare each snapshot with all before it.")
    var everyPair = false

    @Option(help: "With --replay or --at: only this replica set.")
    var set: String?

    @Flag(help: "Compare a snapshot with the server that it was taken from, read at the snapshot's time.")
    var against = false

    @Argument(help: "With --against: the connection string, where neither --uri nor --uri-file nor CAIRN_URI has it.")
    var server: String?

    @OptionGroup var connection: ServerOptions

    @Option(help: "With --against: id of the snapshot, the start of one, or latest (default).")
    var snapshot: String?

    @Option(
        parsing: .unconditional,
        help: "With --against: a time instead, as --at of other verbs takes it.")
    var at: String?

    @Option(help: "With --against: only namespaces that match (db.*, db.coll, *); may be repeated.")
    var nsInclude: [String] = []

    @Option(help: "With --against: not namespaces that match; may be repeated, wins over --ns-include.")
    var nsExclude: [String] = []

    @Option(help: "Threads that read packs, 1 to 256.")
    var workers: Int?

    func validate() throws {
        if readData && readDataSubset != nil {
            throw ValidationError("--read-data and --read-data-subset exclude each other")
        }
        if !from.isEmpty && !repair { throw ValidationError("--from needs --repair") }
        if everyPair && !replay { throw ValidationError("--every-pair needs --replay") }
        if set != nil && !replay && at == nil { throw ValidationError("--set needs --replay or --at") }
        try validateAgainst()
        if let workers, !(1...256).contains(workers) { throw ValidationError("--workers takes a number from 1 to 256") }
        _ = try subset()
    }

    func run(_ session: Session) throws -> ExitStatus {
        var options = CheckRepository.Options(repository: try session.repositoryAccess())
        options.workers = workers ?? 0
        options.repair = repair
        if !from.isEmpty {
            options.replicas = try session.replicaTargets(from).map {
                Healing.Source(name: $0.name, store: try $0.location.open($0.stores))
            }
        }
        if readData { options.data = .all }
        if let percent = try subset() {
            options.data = .subset(percent: percent, seed: UInt64.random(in: .min ... .max))
        }
        let access = options.repository
        let comparison = try comparison(session, access)
        let (report, proof, compared) = try session.runJob { progress, cancellation in
            // First, because the server does not keep its history for long.
            let compared = try comparison.map {
                try CheckAgainst(options: $0, progress: progress, cancellation: cancellation).run()
            }
            let report = try CheckRepository(options: options, progress: progress, cancellation: cancellation).run()
            guard replay else { return (report, CheckReplay.Report?.none, compared) }
            let check = CheckReplay(
                access: access, set: set, pairs: everyPair ? .every : .neighbours, progress: progress,
                cancellation: cancellation)
            return (report, try check.run(), compared)
        }
        try session.emit(
            try CheckText.text(report) + (proof.map(ReplayText.text) ?? "") + (compared.map(AgainstText.text) ?? ""),
            json: try CheckText.json(report, proof, compared))
        guard report.check.isSound, proof?.isSound ?? true, compared?.isSound ?? true else { return .damaged }
        return (proof?.isComplete ?? true) && (compared?.isComplete ?? true) ? .done : .warning
    }

    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.uri, server)
        return connection.settings.merging(flags.values) { option, _ in option }
    }

    private func validateAgainst() throws {
        if snapshot != nil && at != nil { throw ValidationError("--snapshot and --at exclude each other") }
        if server != nil && connection.uri != nil {
            throw ValidationError("the connection string was given twice: behind --against and with --uri")
        }
        let needed = [
            ("--snapshot", snapshot != nil), ("--at", at != nil), ("--ns-include", !nsInclude.isEmpty),
            ("--ns-exclude", !nsExclude.isEmpty), ("a connection string", server != nil),
            ("--uri", connection.uri != nil), ("--uri-file", connection.uriFile != nil),
        ]
        if !against, let option = needed.first(where: \.1) { throw ValidationError("\(option.0) needs --against") }
    }

    private func comparison(_ session: Session, _ access: RepositoryAccess) throws -> CheckAgainst.Options? {
        guard against else { return nil }
        let moment = try at.map { Moment.time(try TimeSelection($0), set: set) } ?? .snapshot(snapshot ?? "latest")
        var options = CheckAgainst.Options(
            repository: access, server: try session.deployment(), moment: moment)
        options.include = nsInclude
        options.exclude = nsExclude
        options.workers = workers ?? 0
        return options
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

    /// What was repaired, what was looked at, what is wrong, and what it costs.
    static func text(_ report: CheckRepository.Report) throws -> String {
        let check = report.check
        var text = report.repair.map(text) ?? ""
        for damage in check.damage { text += try lines(damage) }
        for name in check.unknownObjects { text += Table.printable("unknown object: \(name)") + "\n" }
        if !check.missingPacks.isEmpty {
            text += "warning: \(Units.count(check.missingPacks.count)) packs are gone that the index names, without"
            text += " loss: nothing needs them, or other packs hold the same; `cairn check --repair` forgets them\n"
        }
        if !check.leftovers.isEmpty {
            text += "\(Units.count(check.leftovers.count)) packs are in no snapshot or segment;"
            text += " the next backup uses them, or `cairn prune` frees them\n"
        }
        text += "\(Units.count(check.packs)) packs, \(Units.count(check.chunks)) chunks,"
        text += " \(Units.count(check.soundSnapshots.count + check.incompleteSnapshots.count)) snapshots,"
        text += " \(Units.count(check.soundSegments.count + check.incompleteSegments.count)) segments;"
        text += " read \(Units.count(check.packsRead)) packs, \(Units.count(check.documentsRead)) documents,"
        text += " \(Units.bytes(check.rawBytesRead))\n"
        if check.archivedPacks > 0 {
            text += "\(Units.count(check.archivedPacks)) packs lie in an archive tier and were not looked into\n"
        }
        if check.isSound { return text + "no damage found\n" }
        return text + "\(Units.count(check.damage.count)) damaged; "
            + "\(Units.count(check.incompleteSnapshots.count)) snapshots, "
            + "\(Units.count(check.incompleteSegments.count)) segments are incomplete\n"
    }

    private static func text(_ repair: Repair.Report) -> String {
        let healed = repair.healed.map(line).joined()
        guard repair.changed else { return healed + "nothing to repair\n" }
        return healed + """
            repaired: \(Units.count(repair.removed.count)) objects taken out of service, each with a copy below \
            \(Repair.folder); \(Units.count(repair.indexedPacks)) packs indexed anew, \
            \(Units.count(repair.salvagedChunks)) chunks saved, \(Units.count(repair.lostChunks)) lost

            """
    }

    private static func line(_ outcome: Healing.Outcome) -> String {
        let what = "\(outcome.name), \(outcome.wasThere ? "damaged" : "lost")"
        if let failure = outcome.failure { return Table.printable("not healed: \(what): \(failure)") + "\n" }
        var text = "healed: \(what): "
        text += outcome.wasThere ? "replaced by" : "put back from"
        text += " the copy in \(outcome.from ?? "")"
        text += outcome.copy.map { "; what was there is \($0)" } ?? ""
        return Table.printable(text) + "\n"
    }

    private static func lines(_ damage: Damage) throws -> String {
        let place = damage.offset.map { "\(damage.object) at offset \($0)" } ?? damage.object
        var text = Table.printable("damaged: \(place): \(damage.message)") + "\n"
        for affected in damage.affected.prefix(affectedShownMax) {
            text += "  " + Table.printable(try line(affected)) + "\n"
        }
        let rest = damage.affected.count + damage.affectedOmitted - affectedShownMax
        return rest > 0 ? text + "  and \(Units.count(rest)) more places; --json lists them\n" : text
    }

    private static func line(_ affected: Affected) throws -> String {
        if let segment = affected.segment {
            var line = "segment \(SnapshotText.short(segment))"
            line += affected.documents.map { ", \(Units.count($0)) operations" } ?? ", an unknown number of operations"
            return line + (affected.times.map { " from \($0.lowerBound) to \($0.upperBound)" } ?? "")
        }
        var line = affected.snapshot.map { "snapshot \(SnapshotText.short($0)), " } ?? ""
        line += affected.namespace ?? "unknown namespaces"
        line += affected.documents.map { ", \(Units.count($0)) documents" } ?? ""
        if let first = try IdentityJSON.text(affected.firstID.rawSpan),
            let last = try IdentityJSON.text(affected.lastID.rawSpan)
        {
            line += first == last ? ", _id \(first)" : ", _id \(first) to \(last)"
        }
        return line
    }

    /// Everything that the report holds.
    static func json(
        _ report: CheckRepository.Report, _ proof: CheckReplay.Report?, _ compared: CheckAgainst.Report?
    ) throws -> JSON {
        let check = report.check
        return .object([
            ("sound", .bool(check.isSound)),
            ("damage", .array(try check.damage.map(json))),
            ("soundSnapshots", JSON(check.soundSnapshots.map(\.hex))),
            ("incompleteSnapshots", JSON(check.incompleteSnapshots.map(\.hex))),
            ("soundSegments", JSON(check.soundSegments.map(\.hex))),
            ("incompleteSegments", JSON(check.incompleteSegments.map(\.hex))),
            ("leftovers", JSON(check.leftovers.map(\.hex))),
            ("missingPacks", JSON(check.missingPacks.map(\.hex))),
            ("unindexed", JSON(check.unindexed.map(\.hex))),
            ("unknownObjects", JSON(check.unknownObjects)),
            ("packs", .integer(check.packs)),
            ("archivedPacks", .integer(check.archivedPacks)),
            ("chunks", .integer(check.chunks)),
            ("packsRead", .integer(check.packsRead)),
            ("chunksRead", .integer(check.chunksRead)),
            ("documentsRead", .integer(check.documentsRead)),
            ("rawBytesRead", .integer(check.rawBytesRead)),
            ("repair", try report.repair.map(json) ?? .null),
            ("replay", try proof.map(ReplayText.json) ?? .null),
            ("against", try compared.map(AgainstText.json) ?? .null),
        ])
    }

    private static func json(_ repair: Repair.Report) throws -> JSON {
        .object([
            ("changed", .bool(repair.changed)),
            ("damageBefore", .array(try repair.before.damage.map(json))),
            ("healed", .array(repair.healed.map(json))),
            ("removed", JSON(repair.removed.map(\.path))),
            ("copies", JSON(repair.copies.map(\.path))),
            ("indexedPacks", .integer(repair.indexedPacks)),
            ("salvagedChunks", .integer(repair.salvagedChunks)),
            ("lostChunks", .integer(repair.lostChunks)),
        ])
    }

    private static func json(_ outcome: Healing.Outcome) -> JSON {
        .object([
            ("object", .string(outcome.name.path)), ("was", .string(outcome.wasThere ? "damaged" : "lost")),
            ("healed", .bool(outcome.failure == nil)), ("from", JSON(outcome.from)),
            ("copy", JSON(outcome.copy?.path)), ("failure", JSON(outcome.failure)),
        ])
    }

    private static func json(_ damage: Damage) throws -> JSON {
        .object([
            ("object", .string(damage.object)), ("offset", damage.offset.map { .integer($0) } ?? .null),
            ("message", .string(damage.message)),
            (
                "affected",
                .array(try damage.affected.map { $0.segment == nil ? try json($0) : segmentJSON($0) })
            ),
            ("affectedOmitted", .integer(damage.affectedOmitted)),
        ])
    }

    private static func json(_ affected: Affected) throws -> JSON {
        .object([
            ("snapshot", JSON(affected.snapshot?.hex)), ("namespace", JSON(affected.namespace)),
            ("documents", affected.documents.map { .integer($0) } ?? .null),
            ("firstId", try IdentityJSON.text(affected.firstID.rawSpan).map { .verbatim($0) } ?? .null),
            ("lastId", try IdentityJSON.text(affected.lastID.rawSpan).map { .verbatim($0) } ?? .null),
        ])
    }

    private static func segmentJSON(_ affected: Affected) -> JSON {
        .object([
            ("segment", JSON(affected.segment?.hex)),
            ("operations", affected.documents.map { .integer($0) } ?? .null),
            ("from", affected.times.map { SnapshotText.json($0.lowerBound) } ?? .null),
            ("to", affected.times.map { SnapshotText.json($0.upperBound) } ?? .null),
        ])
    }
}
