import Bytes

/// Hashes identities, and says which partition they are in. All passes over one state must use the same.
public struct FoldHash: Sendable {
    private let sip: SipHash
    /// Which partition this is of how many.
    public let partition: Int
    /// How many partitions there are.
    public let partitionCount: Int

    /// The key is the process's own, so that nobody can choose `_id`s that collide.
    private static let key = (UInt64.random(in: 0...UInt64.max), UInt64.random(in: 0...UInt64.max))

    /// Partition `partition` of `partitionCount`; the only one by default.
    public init(partition: Int = 0, of partitionCount: Int = 1) {
        precondition(partitionCount >= 1 && partition >= 0 && partition < partitionCount)
        sip = SipHash(key0: FoldHash.key.0, key1: FoldHash.key.1)
        self.partition = partition
        self.partitionCount = partitionCount
    }

    func of(_ identity: RawSpan) -> UInt64 { sip.hash64(identity) }

    /// Whether an identity of that hash is in this partition. The lower half of the hash decides: the upper one places
    /// it in the table.
    func isOwn(_ hash: UInt64) -> Bool {
        partitionCount == 1 || Int(hash & 0xFFFF_FFFF) % partitionCount == partition
    }
}
