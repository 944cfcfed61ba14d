/// What a sealed structure is: a byte of its associated data, so that no object opens as another kind.
/// format-spec.md §4.2 [O-1].
///
/// Whoever deletes packs must know the use of every folder: chunks may be needed from there. [V-7]
public enum ObjectKind: UInt8, Sendable, Hashable, CaseIterable {
    /// A chunk in a pack.
    case chunk = 1
    /// The directory at the end of a pack.
    case packDirectory = 2
    /// An index object.
    case index = 3
    /// A snapshot.
    case snapshot = 4
    /// An oplog segment.
    case segment = 5
    /// A lease.
    case lease = 6
    /// An audit record.
    case audit = 7
    /// What is condemned to be removed.
    case condemned = 8
    /// Who must be gone before it is.
    case suspects = 9
    /// The end of a lease whose holder did not give it back.
    case fence = 10

    /// The folder of the objects of this kind, with its slash.
    public var folder: String {
        switch self {
        case .chunk, .packDirectory: "packs/"
        case .index: "indexes/"
        case .snapshot: "snapshots/"
        case .segment: "segments/"
        case .lease: "leases/"
        case .audit: "audit/"
        case .condemned: "condemned/"
        case .suspects: "suspects/"
        case .fence: "fences/"
        }
    }

    /// What messages call an object of this kind.
    var noun: String {
        switch self {
        case .chunk, .packDirectory: "pack"
        case .index: "index object"
        case .snapshot: "snapshot"
        case .segment: "segment"
        case .lease: "lease"
        case .audit: "audit record"
        case .condemned: "list of condemned packs"
        case .suspects: "list of suspects"
        case .fence: "fence"
        }
    }
}
