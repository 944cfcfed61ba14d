/// Everything that a flag, an environment variable or the configuration file can set, by its path in the file.
///
/// One list, so that the three ways cannot drift apart: `backup.level` is `--level`, `CAIRN_BACKUP_LEVEL`, and
/// `level:` below `backup:`.
enum Setting: String, CaseIterable {
    case repository
    case repositoryFile = "repository-file"
    case uri
    case uriFile = "uri-file"
    case limitUpload = "limit-upload"
    case limitDownload = "limit-download"
    case cacheSize = "cache-size"
    case passphraseFile = "passphrase-file"
    case keyFile = "key-file"
    case readPreference = "read-preference"
    case serverTimeout = "server-timeout"
    case backupLevel = "backup.level"
    case backupScanOrder = "backup.scan-order"
    case backupReaders = "backup.readers"
    case backupWorkers = "backup.workers"
    case backupInclude = "backup.ns-include"
    case backupExclude = "backup.ns-exclude"
    case backupTags = "backup.tags"
    case azureAuth = "azure.auth"
    case azureEndpoint = "azure.endpoint"
    case azureTier = "azure.tier"
    case azureImmutableFor = "azure.immutable-for"
    case azureConnectionStringFile = "azure.connection-string-file"
    case azureAccountKeyFile = "azure.account-key-file"
    case azureSASFile = "azure.sas-file"
    case azureTenant = "azure.tenant-id"
    case azureClient = "azure.client-id"
    case azureClientSecretFile = "azure.client-secret-file"
    case azureFederatedTokenFile = "azure.federated-token-file"
    case azureCAFile = "azure.ca-file"
    case atlasProject = "atlas.project-id"
    case atlasCluster = "atlas.cluster"
    case atlasEndpoint = "atlas.endpoint"
    case atlasClient = "atlas.client-id"
    case atlasClientSecretFile = "atlas.client-secret-file"
    case atlasPublicKey = "atlas.public-key"
    case atlasPrivateKeyFile = "atlas.private-key-file"
    case atlasRetentionDays = "atlas.retention-days"
    case atlasTimeout = "atlas.timeout"
    case followEvery = "follow.every"
    case followBytes = "follow.bytes"
    case restoreWorkers = "restore.workers"
    case restoreWriteConcern = "restore.write-concern"
    case scheduleFull = "schedule.full"
    case scheduleIncremental = "schedule.incremental"
    case scheduleReplicate = "schedule.replicate"
    case scheduleForget = "schedule.forget"
    case schedulePrune = "schedule.prune"
    case scheduleGrace = "schedule.grace"
    case retentionFull = "retention.full"
    case retentionIncremental = "retention.incremental"
    case retentionTags = "retention.tags"
    case retentionLast = "retention.last"
    case retentionHourly = "retention.hourly"
    case retentionDaily = "retention.daily"
    case retentionWeekly = "retention.weekly"
    case retentionMonthly = "retention.monthly"
    case retentionYearly = "retention.yearly"
    case retentionReplicaGrace = "retention.replica-grace"

    /// Those that say where a repository lies and how its store is reached.
    static let ofStores: Set<Setting> = Set(
        allCases.filter { $0.section == "azure" } + [.repository, .repositoryFile, .limitUpload, .limitDownload])

    /// What the file may hold there.
    enum Kind {
        /// One text or number.
        case scalar
        /// The path of a file or directory; in the file, relative to the folder that the file is in.
        case path
        /// A list of texts; the environment cannot set it, because names may hold any separator.
        case list
    }

    /// The kind of the value.
    var kind: Kind {
        switch description.syntax {
        case .path: .path
        case .texts, .tagRules: .list
        default: .scalar
        }
    }

    /// The environment variable, nil for lists.
    var variable: String? {
        guard kind != .list else { return nil }
        return "CAIRN_" + rawValue.map { $0 == "-" || $0 == "." ? "_" : $0.uppercased() }.joined()
    }

    /// The section of the file, nil at its top.
    var section: String? { rawValue.split(separator: ".").count == 2 ? String(rawValue.prefix { $0 != "." }) : nil }

    /// The sections of the file, in its order.
    static let sections = allCases.reduce(into: [String]()) { found, setting in
        if let section = setting.section, !found.contains(section) { found.append(section) }
    }

    /// The key inside the section.
    var key: String { String(rawValue.split(separator: ".").last!) }
}

/// A value with the place it came from, for messages.
struct SettingValue {
    /// Where a value came from; a higher rank wins.
    enum Origin {
        case file(path: String, line: Int)
        case environment(variable: String)
        case flag(String)
    }

    var texts: [String]
    var origin: Origin

    /// The first text.
    var text: String { texts.first ?? "" }

    /// 0 for the file, 1 for the environment, 2 for a flag.
    var rank: Int {
        switch origin {
        case .file: 0
        case .environment: 1
        case .flag: 2
        }
    }

    /// The place as messages name it.
    var place: String {
        switch origin {
        case .file(let path, let line): "\(path):\(line)"
        case .environment(let variable): variable
        case .flag(let name): name
        }
    }
}
