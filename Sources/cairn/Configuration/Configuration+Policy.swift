internal import Bytes
internal import Operations

extension Configuration {
    /// What is to be done when, and how long it is kept: the default policy with this configuration's settings over it,
    /// each by itself.
    func policy() throws -> BackupPolicy {
        var policy = BackupPolicy()
        let recurrences: [(Setting, WritableKeyPath<BackupPolicy, Recurrence>)] = [
            (.scheduleFull, \.full), (.scheduleIncremental, \.incremental), (.scheduleReplicate, \.replicate),
            (.scheduleForget, \.forget), (.schedulePrune, \.prune),
        ]
        for (setting, path) in recurrences {
            guard let value = self[setting] else { continue }
            policy[keyPath: path] = try SettingSyntax.placed(value.place) { try Recurrence(value.text) }
        }
        if let value = self[.scheduleGrace] {
            policy.grace = try Quantity.seconds(value.text, place: value.place)
        }
        if let value = self[.retentionReplicaGrace] {
            policy.replicaGrace = value.text == "forever" ? nil : Int64(try retentionSeconds(value))
        }
        policy.retention = try retention(over: policy.retention)
        return policy
    }

    /// The rules of the section `retention`, nil when it has none.
    func retentionAsSet() throws -> RetentionPolicy? {
        let retention = try retention(over: RetentionPolicy())
        return retention.isEmpty ? nil : retention
    }

    private func retention(over base: RetentionPolicy) throws -> RetentionPolicy {
        var retention = base
        if let value = self[.retentionFull] { retention.full = try retentionSeconds(value) }
        if let value = self[.retentionIncremental] { retention.incremental = try retentionSeconds(value) }
        if let value = self[.retentionTags] {
            retention.tags = [:]
            for rule in value.texts {
                let (tag, seconds) = try SettingSyntax.tagRule(rule, place: value.place)
                retention.tags[tag] = seconds
            }
        }
        retention.last = try integer(.retentionLast, in: 1...Int.max) ?? base.last
        let periods: [(RetentionPolicy.Period, Setting)] = [
            (.hourly, .retentionHourly), (.daily, .retentionDaily), (.weekly, .retentionWeekly),
            (.monthly, .retentionMonthly), (.yearly, .retentionYearly),
        ]
        for (period, setting) in periods {
            if let count = try integer(setting, in: 1...Int.max) { retention.periods[period] = count }
        }
        return retention
    }

    private func retentionSeconds(_ value: SettingValue) throws -> Int {
        try SettingSyntax.placed(value.place) { try RetentionPolicy.seconds(value.text) }
    }
}
