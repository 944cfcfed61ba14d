internal import Bytes
internal import Operations
internal import Remote

extension Configuration {
    /// How stores are reached: limits, and for Azure the environment of its own tools with this file's settings over
    /// it.
    func stores() throws -> StoreSettings {
        var stores = StoreSettings()
        stores.uploadRate = try rate(.limitUpload)
        stores.downloadRate = try rate(.limitDownload)
        stores.azure = try azure()
        stores.cache = try cache()
        if let tier = try choice(.azureTier, of: Self.tiers.map(\.name)) {
            stores.blobs.tier = Self.tiers.first { $0.name == tier }?.tier
        }
        if let value = self[.azureImmutableFor] {
            stores.blobs.immutableFor = Int64(try Quantity.seconds(value.text, place: value.place))
        }
        return stores
    }

    /// The folder that the XDG base directory specification gives to caches; none when the environment names none.
    private func cache() throws -> CacheSettings? {
        let sizeMax = try self[.cacheSize].map { try Quantity.bytes($0.text, place: $0.place) } ?? 1 << 30
        let base = environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        let home = environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 + "/.cache" : nil }
        guard sizeMax > 0, let folder = base ?? home else { return nil }
        return CacheSettings(folder: folder + "/cairn", sizeMax: sizeMax)
    }

    private static let tiers = AzureBlobOptions.Tier.allCases.map { (name: $0.rawValue.lowercased(), tier: $0) }

    private func rate(_ setting: Setting) throws -> Int? {
        guard let value = self[setting] else { return nil }
        let rate = try Quantity.bytes(value.text, place: value.place)
        guard rate > 0 else { throw CairnError(.usage, "a limit is at least one byte a second", object: value.place) }
        return rate
    }

    private func azure() throws -> AzureSettings {
        var azure = AzureSettings(environment: environment)
        let words = AzureSettings.Authentication.allCases.map(\.rawValue)
        if let word = try choice(.azureAuth, of: words) {
            azure.authentication = AzureSettings.Authentication(rawValue: word) ?? .auto
        }
        azure.endpoint = self[.azureEndpoint]?.text
        if let secret = try secret(.azureConnectionStringFile) { azure.connectionString = secret }
        if let secret = try secret(.azureAccountKeyFile) { azure.accountKey = secret }
        if let secret = try secret(.azureSASFile) { azure.sharedAccessSignature = secret }
        if let secret = try secret(.azureClientSecretFile) { azure.clientSecret = secret }
        if let value = self[.azureTenant] { azure.tenant = value.text }
        if let value = self[.azureClient] { azure.clientID = value.text }
        if let value = self[.azureFederatedTokenFile] { azure.federatedTokenFile = value.text }
        if let value = self[.azureCAFile] { azure.authorities = value.text }
        return azure
    }

    /// The text of a file that holds a secret, without the white space around it.
    func secret(_ setting: Setting) throws -> SecretText? {
        guard let value = self[setting] else { return nil }
        let bytes = try System.read(path: value.text, byteCountMax: 64 << 10, what: "file with the secret")
        guard let text = String(validating: bytes, as: UTF8.self)?.split(whereSeparator: \.isWhitespace).first else {
            throw CairnError(.usage, "the file holds no secret, or is not UTF-8 text", object: value.text)
        }
        return SecretText(String(text))
    }
}

/// Where a replica lies, under the name that the user calls it by.
struct ReplicaTarget {
    /// The name in the configuration, or the location itself.
    let name: String
    let location: StoreLocation
    var stores: StoreSettings

    /// The tier that packs are put in; nil where there are none, or the account's own is taken.
    var tier: String? {
        if case .azure = location { return stores.blobs.tier?.rawValue.lowercased() }
        return nil
    }
}

extension Configuration {
    /// The replicas of those names; all that the configuration has when there are no names. What holds a slash is a
    /// location.
    ///
    /// - Throws: `.usage` for a name that the configuration does not have, or when it has none at all.
    ///   `warn` gets advice on a password that other users can see.
    func replicaTargets(_ names: [String], warn: (String) -> Void = { _ in }) throws -> [ReplicaTarget] {
        guard !names.isEmpty || !replicas.isEmpty else {
            throw CairnError(
                .usage, "no replica named: use --to, or `replicas` in the --config file")
        }
        return try (names.isEmpty ? replicas.map(\.name) : names).map { name in
            if name.contains("/") {
                let location = try StoreLocation(name)
                if location.holdsSecret {
                    warn("the password in a location is visible to other users of this machine; use `replicas`")
                }
                return ReplicaTarget(name: location.description, location: location, stores: try stores())
            }
            guard let replica = replicas.first(where: { $0.name == name }) else {
                let known = replicas.map(\.name).joined(separator: ", ")
                throw CairnError(
                    .usage,
                    "the configuration names no replica `\(name)`; "
                        + (known.isEmpty ? "it names none at all" : "it names \(known)"))
            }
            var own = self
            own.replaceStoreSettings(by: replica.settings)
            return ReplicaTarget(name: name, location: try own.repository(warn: warn), stores: try own.stores())
        }
    }
}
