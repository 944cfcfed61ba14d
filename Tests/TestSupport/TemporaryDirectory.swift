import Bytes
import Foundation

/// A directory of its own for one test, removed with all that is in it when the test lets go of it.
public final class TemporaryDirectory: Sendable {
    /// The absolute path.
    public let path: String

    /// Makes the directory below `TMPDIR` or `/tmp`.
    public init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "cairn-test-\(RandomID.random().hex)").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of something in it.
    public func appending(_ name: String) -> String { "\(path)/\(name)" }
}
