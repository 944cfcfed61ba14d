/// How soon after a put an object may have to be read, by which a store with several tiers chooses.
public enum ObjectUse: Sendable {
    /// By every operation.
    case often
    /// By restores and checks.
    case seldom
}

/// How urgently an object is brought back.
public enum RehydrationPriority: String, Sendable, CaseIterable {
    /// Within 15 hours.
    case standard
    /// Mostly within an hour, for a higher price.
    case high
}

/// An object that cannot be read before it is brought back.
public struct ArchivedObject: Sendable {
    /// Its name.
    public let name: ObjectName
    /// Bytes.
    public let size: Int
    /// Whether it is on its way already.
    public let isComing: Bool

    /// Everything given.
    public init(name: ObjectName, size: Int, isComing: Bool) {
        self.name = name
        self.size = size
        self.isComing = isComing
    }
}

/// The part of a store whose objects are there, listed and deletable, but not readable at once.
public protocol ArchiveTier: Sendable {
    /// The objects below `prefix` that cannot be read now.
    func archived(prefix: String) throws -> [ArchivedObject]

    /// Begins to bring an object back; asked for again, it raises the priority. Returns at once.
    func rehydrate(_ name: ObjectName, priority: RehydrationPriority) throws
}
