/// The name of one object in a store: a short relative path such as `packs/ab/ab01…`.
///
/// Lower-case ASCII letters, digits, `-`, `_` and `.` in segments joined by `/`, and nothing else, so that a name means
/// the same file on a case-folding file system, the same blob in Azure and the same key in a MongoDB collection, and
/// can never leave the directory it is joined to. A segment is not empty and does not begin with a dot, which also
/// leaves out `.` and `..`. The first segments `tmp` and `lost+found` belong to the local store and the file system.
public struct ObjectName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The most bytes a name may have.
    public static let lengthMax = 200
    /// The most segments a name may have; it bounds how deep a listing descends.
    public static let segmentsMax = 8
    /// The first segments that no object may have: the directory of unfinished puts, and the one that `fsck` fills.
    static let reserved = ["tmp", "lost+found"]

    /// The path, for example `indexes/0123abcd`.
    public let path: String

    /// Checks `path`; nil when it breaks a rule above.
    public init?(_ path: String) {
        guard path.utf8.count <= Self.lengthMax else { return nil }
        var segments = 0
        for segment in path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            segments += 1
            guard Self.isSegment(segment), segments <= Self.segmentsMax else { return nil }
            if segments == 1, Self.reserved.contains(where: { $0.utf8.elementsEqual(segment) }) { return nil }
        }
        self.path = path
    }

    /// A name that the program itself puts together.
    ///
    /// - Precondition: `path` follows the rules of this type.
    public init(trusted path: String) {
        guard let name = ObjectName(path) else { preconditionFailure("not an object name: \(path)") }
        self = name
    }

    /// The path.
    public var description: String { path }

    /// The path up to its last `/`, nil when the object lies at the top.
    public var parent: String? {
        path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) }
    }

    /// What follows the last `/`.
    public var lastSegment: Substring {
        path.utf8.lastIndex(of: UInt8(ascii: "/")).map { path[path.utf8.index(after: $0)...] } ?? path[...]
    }

    /// Order of the bytes of the path, the same on every machine.
    public static func < (left: Self, right: Self) -> Bool {
        left.path.utf8.lexicographicallyPrecedes(right.path.utf8)
    }

    /// Whether `bytes` may stand between two slashes.
    static func isSegment(_ bytes: some Sequence<UInt8>) -> Bool {
        var isFirst = true
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"):
                break
            case UInt8(ascii: "."):
                if isFirst { return false }
            default:
                return false
            }
            isFirst = false
        }
        return !isFirst
    }
}
