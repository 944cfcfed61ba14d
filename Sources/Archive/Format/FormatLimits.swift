/// Every maximum of the format. A reader refuses more before it allocates for it; a writer never makes more.
/// format-spec.md §12 [L-1].
public enum FormatLimits {
    /// Size of a pack object, in bytes.
    public static let packSizeMax = 1 << 30
    /// Raw size of one chunk, in bytes.
    public static let chunkSizeMax = 64 << 20
    /// Chunks in one pack: a slot fits 16 bits, and the entries of any pack fit one index object.
    public static let packEntriesMax = 1 << 15
    /// Raw (BSON) size of a sealed small object, in bytes.
    public static let sealedSizeMax = 64 << 20
    /// Chunks in one index object.
    public static let indexEntriesMax = 50_000
    /// Size of the `config` object, in bytes.
    public static let configSizeMax = 64 << 10
    /// Size of a key object, in bytes.
    public static let keyObjectSizeMax = 64 << 10
    /// Key epochs in one repository.
    public static let epochsMax = 256
    /// Length of the label of a key object, in bytes of UTF-8.
    public static let keyLabelMax = 256
    /// Memory that scrypt may ask for, in bytes: 128 · N · r.
    public static let scryptMemoryMax = 1 << 30
    /// Work that scrypt may ask for: N · r · p.
    public static let scryptWorkMax = 1 << 25
    /// Length of a first or last `_id` in a leaf, type byte included; a longer one is left out.
    public static let leafIDMax = 1024
    /// Leaves that a catalogue entry holds inline; more go to leaf-list chunks.
    public static let inlineLeavesMax = 4
    /// What metadata may count, so that sums over any number of faulty ones do not overflow.
    static let countMax = 1 << 48
    /// Runs of one catalogue entry. A collection that has as many is scanned or compacted instead of getting another.
    public static let runsMax = 4096
    /// Time that a lease may reach into the future, in milliseconds.
    public static let leaseDurationMax: Int64 = 24 * 3600 * 1000
}
