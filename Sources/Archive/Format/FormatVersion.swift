/// The format that this engine implements. format-spec.md §10 [V-1].
public enum FormatVersion {
    /// The newest format that this engine reads and writes.
    public static let current: UInt16 = 1
    /// Feature bits that a program must know to read a repository.
    public static let knownIncompatibleFeatures: UInt64 = columnsFeature
    /// Chunks may be encoded in columns. [V-8].
    public static let columnsFeature: UInt64 = 1
    /// Feature bits that a program may ignore; this engine knows none.
    public static let knownCompatibleFeatures: UInt64 = 0
    /// Version byte of packs and of sealed objects; it is part of what they authenticate.
    static let structures: UInt8 = 1
}

/// First or last eight bytes of the objects. Not ASCII, not UTF-8, and with both kinds of line ends, so that
/// a text-mode transfer is recognised at once. format-spec.md §3.3 [M-1].
enum Magic {
    static let config: [UInt8] = [0xCA, 0x49, 0x52, 0x4E, 0x63, 0x0D, 0x0A, 0x1A]
    static let key: [UInt8] = [0xCA, 0x49, 0x52, 0x4E, 0x6B, 0x0D, 0x0A, 0x1A]
    static let pack: [UInt8] = [0xCA, 0x49, 0x52, 0x4E, 0x70, 0x0D, 0x0A, 0x1A]
    static let packEnd: [UInt8] = [0xCA, 0x49, 0x52, 0x4E, 0x65, 0x0D, 0x0A, 0x1A]
    static let sealed: [UInt8] = [0xCA, 0x49, 0x52, 0x4E, 0x73, 0x0D, 0x0A, 0x1A]
}
