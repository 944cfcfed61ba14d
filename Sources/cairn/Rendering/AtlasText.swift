internal import Bytes
internal import Operations
internal import Remote

/// The wording of what Atlas holds and does. Times are Atlas's own, ISO 8601 in UTC.
enum AtlasText {
    /// One snapshot.
    static func text(_ snapshot: AtlasSnapshot) -> String {
        let end = snapshot.expiresAt.map { ", kept until \($0)" } ?? ""
        return Table.printable("Atlas snapshot \(snapshot.id): \(snapshot.status ?? "unknown")\(end)") + "\n"
    }

    /// How the snapshot beside a backup ended; the error itself has been reported.
    static func text(_ outcome: AtlasBeside.Outcome) -> String {
        switch outcome {
        case .success(let snapshot): text(snapshot)
        case .failure: "Atlas snapshot: failed\n"
        }
    }

    static func json(_ snapshot: AtlasSnapshot) -> JSON {
        .object([
            ("id", .string(snapshot.id)), ("status", JSON(snapshot.status)), ("createdAt", JSON(snapshot.createdAt)),
            ("expiresAt", JSON(snapshot.expiresAt)), ("description", JSON(snapshot.description)),
            ("snapshotType", JSON(snapshot.snapshotType)), ("frequencyType", JSON(snapshot.frequencyType)),
            ("type", JSON(snapshot.type)), ("bytes", snapshot.storageSizeBytes.map { .integer($0) } ?? .null),
            ("mongodVersion", JSON(snapshot.mongodVersion)),
        ])
    }

    static func json(_ outcome: AtlasBeside.Outcome) -> JSON {
        switch outcome {
        case .success(let snapshot): json(snapshot)
        case .failure(let error):
            .object([("error", .string(error.code.name)), ("message", .string(error.description))])
        }
    }

    /// All snapshots.
    static func list(_ snapshots: [AtlasSnapshot]) -> String {
        guard !snapshots.isEmpty else { return "no snapshots\n" }
        var table = Table([
            ("ID", .left), ("TAKEN", .left), ("KEPT UNTIL", .left), ("STATUS", .left), ("KIND", .left),
            ("SIZE", .right), ("SERVER", .left), ("DESCRIPTION", .left),
        ])
        for snapshot in snapshots {
            table.add([
                snapshot.id, snapshot.createdAt ?? "–", snapshot.expiresAt ?? "–", snapshot.status ?? "?",
                snapshot.frequencyType ?? snapshot.snapshotType ?? "?",
                snapshot.storageSizeBytes.map(Units.bytes) ?? "–", snapshot.mongodVersion ?? "–",
                snapshot.description ?? "",
            ])
        }
        return table.text
    }
}

/// Restore jobs.
extension AtlasText {
    /// One job; links stand on lines of their own.
    static func text(_ job: AtlasRestoreJob) -> String {
        var line = "Atlas restore \(job.id) of \(source(job))"
        if let cluster = job.targetClusterName { line += " into \(cluster)" }
        line += ": \(job.state.rawValue)"
        return ([line] + (job.deliveryUrl ?? [])).map { Table.printable($0) + "\n" }.joined()
    }

    static func json(_ job: AtlasRestoreJob) -> JSON {
        .object([
            ("id", .string(job.id)), ("state", .string(job.state.rawValue)),
            ("deliveryType", .string(job.deliveryType)), ("snapshot", JSON(job.snapshotId)),
            ("second", job.pointInTimeUTCSeconds.map { .integer($0) } ?? .null),
            ("operation", JSON(operation(job))), ("targetCluster", JSON(job.targetClusterName)),
            ("targetProject", JSON(job.targetGroupId)), ("finishedAt", JSON(job.finishedAt)),
            ("expiresAt", JSON(job.expiresAt)), ("links", JSON(job.deliveryUrl ?? [])),
        ])
    }

    /// All jobs, without their links.
    static func list(_ jobs: [AtlasRestoreJob]) -> String {
        guard !jobs.isEmpty else { return "no restores\n" }
        var table = Table([
            ("ID", .left), ("STATE", .left), ("KIND", .left), ("OF", .left), ("INTO", .left), ("FINISHED", .left),
        ])
        for job in jobs {
            table.add([
                job.id, job.state.rawValue, job.deliveryType, source(job), job.targetClusterName ?? "–",
                job.finishedAt ?? "–",
            ])
        }
        return table.text
    }

    private static func source(_ job: AtlasRestoreJob) -> String {
        if let operation = operation(job) { return operation }
        if let second = job.pointInTimeUTCSeconds, second > 0 { return UTC.iso8601(second) }
        return job.snapshotId.map { "snapshot \($0)" } ?? "?"
    }

    private static func operation(_ job: AtlasRestoreJob) -> String? {
        job.oplogTs.flatMap { $0 > 0 ? "\($0):\(job.oplogInc ?? 0)" : nil }
    }
}

/// What protects a cluster.
extension AtlasText {
    static func text(_ status: AtlasStatus) -> String {
        let cluster = status.cluster
        let facts = [cluster.name, cluster.clusterType, cluster.mongoDBVersion, cluster.stateName].compactMap { $0 }
        var lines = [("cluster", facts.joined(separator: ", ")), ("backup", backup(status))]
        if let schedule = status.schedule {
            lines += schedule.items.map { ("schedule", text($0)) }
            lines += schedule.copies.map { ("copies", text($0)) }
            if let next = schedule.nextSnapshot { lines.append(("next", next)) }
        }
        lines.append(("compliance", status.compliance.map(text) ?? "no policy: snapshots can be deleted"))
        lines += (status.compliance?.scheduled ?? []).map { ("at least", text($0)) }
        if let item = status.compliance?.onDemandPolicyItem { lines.append(("at least", text(item))) }
        let newest = status.newest.map { ", newest \($0.id) of \($0.createdAt ?? "?")" } ?? ""
        lines.append(("snapshots", "\(Units.count(status.completed)) complete\(newest)"))
        lines += status.running.map { ("running", "\($0.id) \($0.status ?? "?")") }
        return lines.map { name, text in
            name + String(repeating: " ", count: 12 - name.count) + Table.printable(text) + "\n"
        }.joined()
    }

    static func json(_ status: AtlasStatus) -> JSON {
        let cluster = status.cluster
        return .object([
            ("cluster", .string(cluster.name)), ("clusterType", JSON(cluster.clusterType)),
            ("state", JSON(cluster.stateName)), ("mongodVersion", JSON(cluster.mongoDBVersion)),
            ("backupEnabled", json(cluster.backupEnabled)), ("pointInTimeEnabled", json(cluster.pitEnabled)),
            ("protected", .bool(status.isProtected)), ("schedule", status.schedule.map(json) ?? .null),
            ("compliance", status.compliance.map(json) ?? .null), ("completeSnapshots", .integer(status.completed)),
            ("newest", status.newest.map(json) ?? .null), ("running", .array(status.running.map(json))),
        ])
    }

    private static func backup(_ status: AtlasStatus) -> String {
        guard status.cluster.backupEnabled != false else { return "switched off" }
        guard status.cluster.pitEnabled == true else { return "snapshots" }
        let days = status.schedule?.restoreWindowDays.map { ", \($0) days back" } ?? ""
        return "snapshots, and times between them\(days)"
    }

    /// `daily, kept 7 days`.
    private static func text(_ item: AtlasPolicyItem) -> String {
        let interval = item.frequencyInterval ?? 1
        let often =
            switch item.frequencyType {
            case "hourly" where interval > 1: "every \(interval) hours"
            case "ondemand": "on demand"
            default: item.frequencyType
            }
        return "\(often), kept \(item.retentionValue) \(item.retentionUnit)"
    }

    private static func text(_ copy: AtlasSchedule.Copy) -> String {
        let place = [copy.cloudProvider, copy.regionName].compactMap { $0 }.joined(separator: " ")
        let which = (copy.frequencies ?? []).map { $0.lowercased() }.joined(separator: ", ")
        return place + (which.isEmpty ? "" : ": \(which)") + (copy.shouldCopyOplogs == true ? ", with oplogs" : "")
    }

    private static func text(_ policy: AtlasCompliance) -> String {
        var parts = [policy.state ?? "?"]
        if policy.pitEnabled == true { parts.append("times \(policy.restoreWindowDays ?? 0) days back") }
        if policy.copyProtectionEnabled == true { parts.append("copies protected") }
        if policy.encryptionAtRestEnabled == true { parts.append("keys of one's own") }
        return parts.joined(separator: ", ")
    }

    private static func json(_ schedule: AtlasSchedule) -> JSON {
        .object([
            ("nextSnapshot", JSON(schedule.nextSnapshot)),
            ("referenceHour", schedule.referenceHourOfDay.map { .integer($0) } ?? .null),
            ("referenceMinute", schedule.referenceMinuteOfHour.map { .integer($0) } ?? .null),
            ("restoreWindowDays", schedule.restoreWindowDays.map { .integer($0) } ?? .null),
            ("items", .array(schedule.items.map(json))),
            (
                "copies",
                .array(
                    schedule.copies.map { copy in
                        .object([
                            ("cloudProvider", JSON(copy.cloudProvider)), ("region", JSON(copy.regionName)),
                            ("frequencies", JSON(copy.frequencies ?? [])), ("oplogs", json(copy.shouldCopyOplogs)),
                        ])
                    })
            ),
        ])
    }

    private static func json(_ policy: AtlasCompliance) -> JSON {
        .object([
            ("state", JSON(policy.state)), ("copyProtection", json(policy.copyProtectionEnabled)),
            ("encryptionAtRest", json(policy.encryptionAtRestEnabled)), ("pointInTime", json(policy.pitEnabled)),
            ("restoreWindowDays", policy.restoreWindowDays.map { .integer($0) } ?? .null),
            ("onDemand", policy.onDemandPolicyItem.map(json) ?? .null),
            ("scheduled", .array(policy.scheduled.map(json))),
        ])
    }

    private static func json(_ item: AtlasPolicyItem) -> JSON {
        .object([
            ("frequencyType", .string(item.frequencyType)),
            ("frequencyInterval", item.frequencyInterval.map { .integer($0) } ?? .null),
            ("retentionUnit", .string(item.retentionUnit)), ("retentionValue", .integer(item.retentionValue)),
        ])
    }

    private static func json(_ flag: Bool?) -> JSON { flag.map { .bool($0) } ?? .null }
}
