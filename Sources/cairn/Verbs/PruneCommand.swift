internal import Archive
internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn prune`.
struct PruneCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Free what no snapshot and no oplog segment needs.",
        discussion: """
            Safe beside running backups. What is of no use is condemned first, and removed by a later prune, once its \
            grace period is over and every backup that ran when it was condemned has ended; what turns out to be \
            needed is spared. Packs are rewritten only where waste is worth it. Whatever cannot be read stops it \
            before anything is removed. What a retention policy or legal hold of the store keeps stays until \
            a later prune; exit code 3.

            Example:
              cairn prune --dry-run
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var tiers: TierOption

    @Option(help: "Waste that may stay in packs that are in use, in percent of what is in use.")
    var maxUnused = "5%"

    @Option(help: "How long what is of no use stays: 0, or a number and h, d, w or y.")
    var grace = "24h"

    @Flag(help: "Say what would be done; remove nothing.")
    var dryRun = false

    var settings: [Setting: SettingValue] { tiers.settings }

    func run(_ session: Session) throws -> ExitStatus {
        try tiers.settings.requireAzure([session.configuration.repository()])
        var options = PruneOptions()
        options.dryRun = dryRun
        options.grace = grace == "0" ? 0 : Int64(try RetentionPolicy.seconds(grace)) * 1_000
        let digits = maxUnused.hasSuffix("%") ? maxUnused.dropLast() : maxUnused[...]
        guard let percent = Double(digits), (0...100).contains(percent) else {
            throw CairnError(.usage, "--max-unused takes a share from 0% to 100%", object: maxUnused)
        }
        options.maxUnused = percent / 100
        let report = try session.runJob { _, cancellation in
            try PruneRepository(
                access: session.repositoryAccess(), options: options, cancellation: cancellation
            ).run()
        }
        try session.emit(text(report), json: Self.json(report))
        return report.keptPacks > 0 ? .warning : .done
    }

    private func text(_ report: PruneReport) -> String {
        let would = report.dryRun ? "would be " : ""
        return """
            before     \(Units.count(report.packs)) packs, \(Units.bytes(report.packBytes)), of which \
            \(Units.bytes(report.neededBytes)) in use
            condemned  \(would)\(Units.count(report.uselessPacks)) packs that nothing needs and \
            \(Units.count(report.repackedPacks)) rewritten ones, \(Units.bytes(report.condemnedBytes))
            written    \(Units.bytes(report.writtenBytes))
            freed      \(Units.count(report.removedPacks)) packs, \(Units.bytes(report.freedBytes)); \
            \(Units.count(report.rescuedPacks)) spared
            waiting    \(Units.count(report.waitingPacks)) packs\(kept(report))
            left       \(Units.bytes(report.unusedBytes)) of no use in packs that stay

            """
    }

    private func kept(_ report: PruneReport) -> String {
        guard report.keptPacks > 0 else { return "" }
        let until = report.keptUntil.map { "a policy until \(UTC.iso8601(Int($0)))" } ?? "a policy or legal hold"
        return
            "\nkept       \(Units.count(report.keptPacks)) packs, \(Units.bytes(report.keptBytes)), by \(until); "
            + "a later prune removes them"
    }

    static func json(_ report: PruneReport) -> JSON {
        .object([
            ("dryRun", .bool(report.dryRun)), ("packs", .integer(report.packs)),
            ("packBytes", .integer(report.packBytes)), ("neededBytes", .integer(report.neededBytes)),
            ("uselessPacks", .integer(report.uselessPacks)), ("repackedPacks", .integer(report.repackedPacks)),
            ("condemnedBytes", .integer(report.condemnedBytes)), ("writtenBytes", .integer(report.writtenBytes)),
            ("removedPacks", .integer(report.removedPacks)), ("freedBytes", .integer(report.freedBytes)),
            ("rescuedPacks", .integer(report.rescuedPacks)), ("waitingPacks", .integer(report.waitingPacks)),
            ("keptPacks", .integer(report.keptPacks)), ("keptBytes", .integer(report.keptBytes)),
            ("keptUntil", report.keptUntil.map { .string(UTC.iso8601(Int($0))) } ?? .null),
            ("unusedBytes", .integer(report.unusedBytes)),
        ])
    }
}
