internal import Remote

extension Setting {
    /// What it is: the one place that the check of a file, its JSON Schema and the commented example are made from.
    var description: SettingDescription {
        guard let description = Setting.descriptions[self] else { preconditionFailure("no description of \(rawValue)") }
        return description
    }

    private static let descriptions: [Setting: SettingDescription] = stores.merging(jobs) { own, _ in own }
        .merging(policy) { own, _ in own }.merging(atlas) { own, _ in own }

    private static let stores: [Setting: SettingDescription] = [
        .repository: SettingDescription(
            "Where the repository lies: a folder, azblob://ACCOUNT/CONTAINER[/PREFIX] or mongodb://HOSTS/DB.", .path,
            example: "/srv/backup/cairn"),
        .repositoryFile: SettingDescription(
            "Instead of repository: a file that holds its location, where that has a password in it.", .path,
            example: "/etc/cairn/repository"),
        .uri: SettingDescription(
            "The server's connection string. With a password it belongs into a file: see uri-file.", .serverURI,
            example: "mongodb://db1.example.org,db2.example.org/?replicaSet=rs0"),
        .uriFile: SettingDescription(
            "A file that holds the server's connection string; readable by the backup's user alone.", .path,
            example: "/etc/cairn/uri"),
        .limitUpload: SettingDescription("Bytes a second to the repository at most.", .size, example: "20MiB"),
        .limitDownload: SettingDescription("Bytes a second from the repository at most.", .size, example: "100MiB"),
        .cacheSize: SettingDescription(
            "What copies of a remote repository's indexes may take on this machine; 0 for none.", .size,
            byDefault: "1GiB", example: "1GiB"),
        .passphraseFile: SettingDescription(
            "A file that holds the repository's passphrase. Without it nobody reads the backup: keep a copy elsewhere.",
            .path, example: "/etc/cairn/passphrase"),
        .keyFile: SettingDescription(
            "Instead of a passphrase: a file of 32 random bytes.", .path, example: "/etc/cairn/key"),
        .azureAuth: SettingDescription(
            "How to authenticate to Azure.", .words(AzureSettings.Authentication.allCases.map(\.rawValue)),
            byDefault: "auto", example: "workload-identity"),
        .azureEndpoint: SettingDescription(
            "Address of the Blob service, for other clouds and emulators.", .text,
            example: "https://account.blob.core.usgovcloudapi.net"),
        .azureTier: SettingDescription(
            "Tier of new packs. One that leaves its tier early is charged: cool 30, cold 90, archive 180 days.",
            .words(AzureBlobOptions.Tier.allCases.map { $0.rawValue.lowercased() }), byDefault: "the account's own",
            example: "cool"),
        .azureImmutableFor: SettingDescription(
            "Forbid to change or delete new packs and snapshots for so long.", .duration, example: "30d"),
        .azureConnectionStringFile: SettingDescription(
            "A file that holds the account's connection string.", .path, example: "/etc/cairn/azure-connection"),
        .azureAccountKeyFile: SettingDescription(
            "A file that holds the account's key.", .path, example: "/etc/cairn/azure-key"),
        .azureSASFile: SettingDescription(
            "A file that holds a shared access signature.", .path, example: "/etc/cairn/azure-sas"),
        .azureTenant: SettingDescription(
            "Tenant of the client.", .text, example: "00000000-0000-0000-0000-000000000000"),
        .azureClient: SettingDescription(
            "Client id of a service principal or managed identity.", .text,
            example: "00000000-0000-0000-0000-000000000000"),
        .azureClientSecretFile: SettingDescription(
            "A file that holds the client's secret.", .path, example: "/etc/cairn/azure-secret"),
        .azureFederatedTokenFile: SettingDescription(
            "The token of a workload identity; AKS names it in the environment.", .path,
            example: "/var/run/secrets/azure/tokens/azure-identity-token"),
        .azureCAFile: SettingDescription(
            "Certificates of your own authority, in PEM.", .path, example: "/etc/cairn/authority.pem"),
    ]

    private static let jobs: [Setting: SettingDescription] = [
        .readPreference: SettingDescription(
            "Which node is read.", .words(Configuration.readPreferences), byDefault: "secondaryPreferred",
            example: "secondary"),
        .serverTimeout: SettingDescription(
            "Seconds to wait for a usable server.", .integer(1...3600), byDefault: "30", example: "30"),
        .backupLevel: SettingDescription("zstd level.", .level, byDefault: "default", example: "default"),
        .backupScanOrder: SettingDescription(
            "natural is cheapest for the server, id the same on every node.", .words(["natural", "id"]),
            byDefault: "natural", example: "natural"),
        .backupReaders: SettingDescription("Threads that read from the server.", .integer(1...64), example: "2"),
        .backupWorkers: SettingDescription("Threads that compress and encrypt.", .integer(1...256), example: "2"),
        .backupInclude: SettingDescription(
            "Take only namespaces that match: db.*, db.coll or *.", .texts, byDefault: "all",
            example: "[\"shop.*\"]"),
        .backupExclude: SettingDescription(
            "Leave out namespaces that match; wins over ns-include.", .texts, example: "[\"scratch.*\"]"),
        .backupTags: SettingDescription("Words that each snapshot carries.", .texts, example: "[production]"),
        .followEvery: SettingDescription(
            "How often `cairn follow` saves the oplog.", .duration, byDefault: "60s", example: "60s"),
        .followBytes: SettingDescription(
            "And how many bytes of it at the latest.", .size, byDefault: "64MiB", example: "64MiB"),
        .restoreWorkers: SettingDescription("Threads that insert.", .integer(1...256), example: "4"),
        .restoreWriteConcern: SettingDescription(
            "Write concern of restores: a number, or majority.", .text, example: "majority"),
    ]

    private static let policy: [Setting: SettingDescription] = [
        .scheduleFull: SettingDescription(
            "When `cairn run` takes a full backup.", .recurrence, byDefault: "daily 02:00", example: "daily 02:00"),
        .scheduleIncremental: SettingDescription(
            "When it saves what changed.", .recurrence, byDefault: "hourly", example: "hourly"),
        .scheduleReplicate: SettingDescription(
            "When it brings the replicas up to date.", .recurrence, byDefault: "hourly", example: "hourly"),
        .scheduleForget: SettingDescription(
            "When it lets snapshots go that no rule of retention keeps.", .recurrence, byDefault: "daily 03:00",
            example: "daily 03:00"),
        .schedulePrune: SettingDescription(
            "When it frees what nothing needs any more.", .recurrence, byDefault: "daily 04:00",
            example: "daily 04:00"),
        .scheduleGrace: SettingDescription(
            "How long a snapshot that is due may take until `cairn status` says that the policy is not met.", .duration,
            byDefault: "1h", example: "1h"),
        .retentionFull: SettingDescription(
            "How long full snapshots are kept.", .retention(never: nil), byDefault: "30d", example: "30d"),
        .retentionIncremental: SettingDescription(
            "How long incrementals are kept, and with them every second of that time.", .retention(never: nil),
            byDefault: "7d", example: "7d"),
        .retentionTags: SettingDescription(
            "How long snapshots with a tag are kept.", .tagRules, byDefault: "[manual=90d]",
            example: "[manual=90d]"),
        .retentionLast: SettingDescription("Keep the newest so many.", .integer(1...Int.max), example: "3"),
        .retentionHourly: SettingDescription(
            "Keep the newest of each of the last so many hours that have one.", .integer(1...Int.max), example: "24"),
        .retentionDaily: SettingDescription("Likewise days.", .integer(1...Int.max), example: "7"),
        .retentionWeekly: SettingDescription("Likewise weeks.", .integer(1...Int.max), example: "4"),
        .retentionMonthly: SettingDescription("Likewise months.", .integer(1...Int.max), example: "12"),
        .retentionYearly: SettingDescription("Likewise years.", .integer(1...Int.max), example: "5"),
        .retentionReplicaGrace: SettingDescription(
            "How long a replica keeps what the repository has no more.", .retention(never: "forever"), byDefault: "7d",
            example: "7d"),
    ]

    private static let atlas: [Setting: SettingDescription] = [
        .atlasProject: SettingDescription("The project's id.", .text, example: "0123456789abcdef01234567"),
        .atlasCluster: SettingDescription("The cluster's name.", .text, example: "Cluster0"),
        .atlasEndpoint: SettingDescription(
            "Address of the administration API.", .text, byDefault: "https://cloud.mongodb.com",
            example: "https://cloud.mongodb.com"),
        .atlasClient: SettingDescription("Client id of a service account.", .text, example: "mdb_sa_id_1234"),
        .atlasClientSecretFile: SettingDescription(
            "A file that holds its secret.", .path, example: "/etc/cairn/atlas-secret"),
        .atlasPublicKey: SettingDescription("Or an API key's public part.", .text, example: "abcdefgh"),
        .atlasPrivateKeyFile: SettingDescription(
            "And a file that holds its private part.", .path, example: "/etc/cairn/atlas-key"),
        .atlasRetentionDays: SettingDescription(
            "Days that Atlas keeps a snapshot on demand.", .integer(1...36_500), byDefault: "7", example: "7"),
        .atlasTimeout: SettingDescription(
            "How long Atlas is waited for.", .duration, byDefault: "2h", example: "2h"),
    ]
}
