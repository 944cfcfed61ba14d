public import Remote

extension AtlasCluster {
    /// Whether a deployment's connection string names one of this cluster's hosts; nil where that cannot be told.
    public func isReached(by access: DeploymentAccess) -> Bool? {
        let own = addresses.reduce(into: Set<String>()) { $0.formUnion(DeploymentAccess.hosts($1)) }
        let named = DeploymentAccess.hosts(access.uri)
        guard !own.isEmpty, !named.isEmpty else { return nil }
        return !own.isDisjoint(with: named)
    }
}
