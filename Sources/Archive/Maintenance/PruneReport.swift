/// How to prune.
public struct PruneOptions: Sendable {
    /// The share of the packs' bytes that may go on being of no use, in packs that are in use otherwise: rewriting them
    /// costs more than it frees.
    public var maxUnused = 0.05
    /// How long packs stay that nothing needs, in milliseconds: readers that are under way may still want them.
    public var grace: Int64 = 24 * 3_600 * 1_000
    /// Say what would be done, and do nothing.
    public var dryRun = false

    /// The standard ones.
    public init() {}
}

/// What pruning did, or would do. All sizes in bytes.
public struct PruneReport: Sendable, Hashable {
    /// Packs that there were, condemned ones left out.
    public var packs = 0
    /// Their size.
    public var packBytes = 0
    /// What of it some snapshot or segment needs.
    public var neededBytes = 0
    /// Packs that nothing needs, condemned now.
    public var uselessPacks = 0
    /// Packs that were rewritten without what nothing needs in them, and condemned now.
    public var repackedPacks = 0
    /// What was written instead.
    public var writtenBytes = 0
    /// The size of the packs condemned now.
    public var condemnedBytes = 0
    /// Packs condemned before that were removed now.
    public var removedPacks = 0
    /// Their size: what was freed.
    public var freedBytes = 0
    /// Packs condemned before that turned out to be needed.
    public var rescuedPacks = 0
    /// Packs that are condemned and wait, for their time or for jobs that are under way.
    public var waitingPacks = 0
    /// Condemned packs that a retention policy or legal hold of the store keeps; a later prune removes them.
    public var keptPacks = 0
    /// Their size.
    public var keptBytes = 0
    /// When the last policy among them ends, in seconds since 1970-01-01 UTC; nil when the store does not say.
    public var keptUntil: Int64?
    /// Bytes of no use in packs that stay.
    public var unusedBytes = 0
    /// Whether nothing was touched.
    public var dryRun = false
}
