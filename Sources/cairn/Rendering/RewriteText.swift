internal import Archive

/// What rewriting packs did, as people and scripts read it.
enum RewriteText {
    static func recompressed(_ report: RecompressionReport) -> String {
        let would = report.dryRun ? "would be " : ""
        let about = report.dryRun ? "about " : ""
        let saved = report.bytesBefore - report.bytesAfter
        return """
            before     \(Units.count(report.packs)) packs, \(Units.bytes(report.packBytes))
            rewritten  \(would)\(Units.count(report.packsRewritten)) packs, \(Units.bytes(report.bytesBefore)) to \
            \(about)\(Units.bytes(report.bytesAfter))
            kept       \(Units.count(report.packsKept)) packs in which too little is to be won, \
            \(Units.count(report.packsAtLevel)) at the level already
            saved      \(about)\(Units.bytes(saved)), once `cairn prune` has removed the old packs

            """
    }

    static func json(_ report: RecompressionReport) -> JSON {
        .object([
            ("dryRun", .bool(report.dryRun)), ("packs", .integer(report.packs)),
            ("packBytes", .integer(report.packBytes)), ("packsRewritten", .integer(report.packsRewritten)),
            ("bytesBefore", .integer(report.bytesBefore)), ("bytesAfter", .integer(report.bytesAfter)),
            ("packsKept", .integer(report.packsKept)), ("packsAtLevel", .integer(report.packsAtLevel)),
            ("packsUseless", .integer(report.packsUseless)),
        ])
    }

    static func reencrypted(_ report: ReencryptionReport) -> String {
        """
        encrypted anew under key epoch \(report.epoch):
          packs      \(Units.count(report.packs)), \(Units.bytes(report.writtenBytes)) written
          indexes    \(Units.count(report.indexes))
          others     \(Units.count(report.replaced + report.auditRecords)) snapshots, segments and records
          waiting    \(Units.count(report.waitingPacks)) old packs, \(Units.bytes(report.waitingBytes)), for \
        `cairn prune`

        """
    }

    static func json(_ report: ReencryptionReport) -> JSON {
        .object([
            ("epoch", .integer(Int(report.epoch))), ("packs", .integer(report.packs)),
            ("writtenBytes", .integer(report.writtenBytes)), ("uselessPacks", .integer(report.uselessPacks)),
            ("indexes", .integer(report.indexes)), ("replaced", .integer(report.replaced)),
            ("auditRecords", .integer(report.auditRecords)), ("waitingPacks", .integer(report.waitingPacks)),
            ("waitingBytes", .integer(report.waitingBytes)),
            ("unreadable", .integer(report.unreadable.count)),
        ])
    }
}
