internal import Bytes
internal import Operations
internal import Remote

extension Configuration {
    /// The cluster's own backups, with the secrets of the environment and those of files over them.
    ///
    /// - Throws: `.usage` naming what is missing.
    func atlas() throws -> AtlasBackups {
        var atlas = AtlasSettings(environment: environment)
        if let value = self[.atlasEndpoint] { atlas.endpoint = value.text }
        atlas.project = self[.atlasProject]?.text
        atlas.cluster = self[.atlasCluster]?.text
        atlas.clientID = self[.atlasClient]?.text
        atlas.publicKey = self[.atlasPublicKey]?.text
        if let secret = try secret(.atlasClientSecretFile) { atlas.clientSecret = secret }
        if let secret = try secret(.atlasPrivateKeyFile) { atlas.privateKey = secret }
        return try AtlasBackups(atlas)
    }

    /// For how many days Atlas keeps a snapshot on demand.
    func atlasRetentionDays() throws -> Int { try integer(.atlasRetentionDays, in: 1...36_500) ?? 7 }

    /// How long Atlas is waited for.
    func atlasWait() throws -> AtlasWait {
        guard let value = self[.atlasTimeout] else { return AtlasWait(seconds: 2 * 3_600) }
        return AtlasWait(seconds: try Quantity.seconds(value.text, place: value.place))
    }
}
