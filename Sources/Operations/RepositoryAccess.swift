public import Archive

/// A repository as the user named it: where it is, and what opens it.
public struct RepositoryAccess: Sendable {
    /// The directory.
    public var location: String
    /// The passphrase or the key file's bytes.
    public var key: KeySource

    /// Access to the repository in a directory.
    public init(location: String, key: KeySource) {
        self.location = location
        self.key = key
    }
}
