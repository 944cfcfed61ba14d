internal import Bytes
internal import ObjectStore

/// Where a repository lies in Azure Blob Storage: `azblob://ACCOUNT/CONTAINER[/PREFIX]`.
public struct AzureLocation: Sendable, CustomStringConvertible {
    /// The storage account's name.
    public let account: String
    /// The container's name.
    public let container: String
    /// Path before each object's name, without slashes at its ends; empty for none.
    public let prefix: String

    /// The scheme of such locations.
    public static let scheme = "azblob://"

    /// Reads a location.
    ///
    /// - Throws: `.usage` naming the part that does not follow Azure's rules for names.
    public init(_ text: String) throws {
        func wrong(_ what: String) -> CairnError {
            CairnError(
                .usage, "\(what); a location is azblob://ACCOUNT/CONTAINER or azblob://ACCOUNT/CONTAINER/PREFIX",
                object: text)
        }
        guard text.hasPrefix(Self.scheme) else { throw wrong("this does not begin with azblob://") }
        let parts = text.dropFirst(Self.scheme.count).split(separator: "/", omittingEmptySubsequences: false)
        guard let account = parts.first, Self.isAccount(account) else {
            throw wrong("an account's name has 3 to 24 lower-case letters and digits")
        }
        guard parts.count >= 2, Self.isContainer(parts[1]) else {
            throw wrong("a container's name has 3 to 63 lower-case letters, digits and single hyphens")
        }
        var prefix = parts.dropFirst(2)
        if prefix.last == "" { prefix.removeLast() }
        guard prefix.isEmpty || ObjectName(prefix.joined(separator: "/")) != nil else {
            throw wrong("a prefix has lower-case letters, digits, `-`, `_` and `.` between its slashes")
        }
        self.account = String(account)
        self.container = String(parts[1])
        self.prefix = prefix.joined(separator: "/")
    }

    /// As it is written, without a slash at its end.
    public var description: String {
        Self.scheme + account + "/" + container + (prefix.isEmpty ? "" : "/" + prefix)
    }

    /// The blob that holds the object of that path.
    func blob(_ path: String) -> String { prefix.isEmpty ? path : prefix + "/" + path }

    /// The object that a blob holds; nil for a blob that no put can have made.
    func object(ofBlob blob: String) -> ObjectName? {
        guard !prefix.isEmpty else { return ObjectName(blob) }
        guard blob.hasPrefix(prefix + "/") else { return nil }
        return ObjectName(String(blob.dropFirst(prefix.count + 1)))
    }

    private static func isAccount(_ name: Substring) -> Bool {
        3...24 ~= name.utf8.count && name.utf8.allSatisfy { isLetterOrDigit($0) }
    }

    private static func isContainer(_ name: Substring) -> Bool {
        guard 3...63 ~= name.utf8.count, name != "$root" else { return false }
        var previous = UInt8(ascii: "-")
        for byte in name.utf8 {
            guard isLetterOrDigit(byte) || (byte == UInt8(ascii: "-") && previous != byte) else { return false }
            previous = byte
        }
        return previous != UInt8(ascii: "-")
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
    }
}
