internal import ArgumentParser
internal import Bytes
internal import Operations

/// The options that every verb knows.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: [.customShort("r"), .long],
        help:
            "Directory, azblob://ACCOUNT/CONTAINER[/PREFIX] or mongodb://HOSTS/DB. (CAIRN_REPOSITORY)"
    )
    var repository: String?

    @Option(help: "File that holds the repository's location with its password. (CAIRN_REPOSITORY_FILE)")
    var repositoryFile: String?

    @Option(help: "Read settings from this YAML file. (CAIRN_CONFIG)")
    var config: String?

    @Option(help: "File that holds the passphrase. (CAIRN_PASSPHRASE_FILE)")
    var passphraseFile: String?

    @Option(help: "File that holds the 32-byte key. (CAIRN_KEY_FILE)")
    var keyFile: String?

    @Option(help: "Bytes a second to the repository at most, for example 20MiB. (CAIRN_LIMIT_UPLOAD)")
    var limitUpload: String?

    @Option(help: "Bytes a second from the repository at most. (CAIRN_LIMIT_DOWNLOAD)")
    var limitDownload: String?

    @Option(
        help: "Bytes that copies of indexes and lists of a remote repository may take here. (CAIRN_CACHE_SIZE)")
    var cacheSize: String?

    @Flag(help: "Keep no copies of what is read from a remote repository.")
    var noCache = false

    @Option(help: "Address of the Blob service, for other clouds and emulators. (CAIRN_AZURE_ENDPOINT)")
    var azureEndpoint: String?

    @Flag(help: "Write the result as one JSON document, progress and errors as JSON lines.")
    var json = false

    @Flag(name: [.customShort("q"), .long], help: "No progress, and only warnings and errors.")
    var quiet = false

    @Flag(name: [.customShort("v"), .long], help: "Say more about what is done.")
    var verbose = false

    /// What these flags set.
    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.repository, repository)
        flags.set(.repositoryFile, repositoryFile)
        flags.set(.passphraseFile, passphraseFile)
        flags.set(.limitUpload, limitUpload)
        flags.set(.limitDownload, limitDownload)
        flags.set(.azureEndpoint, azureEndpoint, name: "azure-endpoint")
        flags.set(.keyFile, keyFile)
        flags.set(.cacheSize, noCache ? "0" : cacheSize, name: noCache ? "no-cache" : nil)
        return flags.values
    }
}

/// Collects the flags that were given, with their names for messages.
struct FlagSettings {
    private(set) var values: [Setting: SettingValue] = [:]

    /// Notes a flag with one value, unless it was not given.
    mutating func set(_ setting: Setting, _ text: String?, name: String? = nil) {
        guard let text else { return }
        values[setting] = SettingValue(texts: [text], origin: .flag("--\(name ?? setting.key)"))
    }

    /// Notes a flag that may be repeated, unless it was not given.
    mutating func set(_ setting: Setting, _ texts: [String], name: String? = nil) {
        guard !texts.isEmpty else { return }
        values[setting] = SettingValue(texts: texts, origin: .flag("--\(name ?? setting.key)"))
    }
}

/// The tier of what a verb puts in Azure Blob Storage.
struct TierOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Tier of new packs in Azure: hot, cool, cold or archive. (CAIRN_AZURE_TIER)",
            discussion:
                "Metadata stays hot. A blob that leaves its tier early is charged: cool 30, cold 90, archive 180 days.")
    )
    var tier: String?

    /// What the flag sets.
    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.azureTier, tier, name: "tier")
        return flags.values
    }
}

/// How long nobody can change or delete what a verb puts in Azure Blob Storage.
struct ImmutabilityOption: ParsableArguments {
    @Option(
        help:
            "Forbid to change or delete new packs and snapshots in Azure for so long. (CAIRN_AZURE_IMMUTABLE_FOR)"
    )
    var immutableFor: String?

    /// What the flag sets.
    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.azureImmutableFor, immutableFor, name: "immutable-for")
        return flags.values
    }
}

extension Dictionary where Key == Setting, Value == SettingValue {
    /// Both.
    func with(_ others: [Setting: SettingValue]) -> [Setting: SettingValue] { merging(others) { own, _ in own } }

    /// Refuses flags about Azure where nothing lies there.
    func requireAzure(_ locations: [StoreLocation]) throws {
        guard let flag = [.azureTier, .azureImmutableFor].lazy.compactMap({ self[$0] }).first else { return }
        for location in locations {
            if case .azure = location { continue }
            throw CairnError(.usage, "\(flag.place) is for azblob:// locations, which \(location) is not")
        }
    }
}

/// The options of verbs that talk to a server.
struct ServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Connection string of the server. (CAIRN_URI)",
            discussion: "A password in it is visible to other users of the machine; prefer CAIRN_URI or --uri-file."))
    var uri: String?

    @Option(help: "File that holds the connection string. (CAIRN_URI_FILE)")
    var uriFile: String?

    @Option(help: "Seconds to wait for a usable server, 1 to 3600; default 30. (CAIRN_SERVER_TIMEOUT)")
    var serverTimeout: String?

    /// What these flags set.
    var settings: [Setting: SettingValue] {
        var flags = FlagSettings()
        flags.set(.uri, uri)
        flags.set(.uriFile, uriFile)
        flags.set(.serverTimeout, serverTimeout)
        return flags.values
    }
}
