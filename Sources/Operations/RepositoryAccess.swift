/// A repository as the user named it: where it is, and what opens it.
public struct RepositoryAccess: Sendable {
    /// The directory.
    public var location: String

    /// Access to the repository in a directory.
    public init(location: String) {
        self.location = location
    }
}
