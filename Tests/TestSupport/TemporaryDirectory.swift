import Bytes
import Glibc

/// A directory of its own for one test or server, removed with all that is in it when the last reference goes.
public final class TemporaryDirectory: Sendable {
    /// The absolute path, without a slash at the end.
    public let path: String

    /// Makes the directory below `TMPDIR` or `/tmp`.
    ///
    /// - Throws: `.io` when it cannot be made.
    public init(_ name: String = "cairn-test") throws {
        let parent = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/\(name).XXXXXX".utf8CString)
        let made = unsafe template.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) != nil }
        guard made else { throw CairnError(.io, "cannot make a folder in \(parent): errno \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    /// The path of something in it.
    public func appending(_ name: String) -> String { "\(path)/\(name)" }

    /// Removes a file, or a folder with all in it; what cannot be removed stays.
    public static func remove(_ path: String) {
        if let directory = unsafe opendir(path) {
            while let entry = unsafe readdir(directory) {
                let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                    unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name == "." || name == ".." { continue }
                let child = path + "/" + name
                if unsafe entry.pointee.d_type == UInt8(DT_DIR) { remove(child) } else { unsafe unlink(child) }
            }
            unsafe closedir(directory)
            unsafe rmdir(path)
        } else {
            unsafe unlink(path)
        }
    }
}
