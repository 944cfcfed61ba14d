import Bytes
import Glibc
import Synchronization

/// A file of whole documents in mongodump's layout: `folder/<database>/<collection>.bson`.
public final class DocumentFile: Sendable {
    private let path: String
    private let descriptor: Int32
    /// Batches of several threads stay whole.
    private let lock = Mutex(())

    /// Standard output.
    public static let standardOutput = DocumentFile(path: "standard output", descriptor: 1)

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    /// Creates the folders and an empty file.
    ///
    /// - Throws: `.io` when that fails.
    public init(folder: String, db: String, collection: String) throws {
        for path in [folder, "\(folder)/\(db)"] where unsafe mkdir(path, 0o700) != 0 && errno != EEXIST {
            throw CairnError(.io, "cannot make \(path): errno \(errno)")
        }
        path = "\(folder)/\(db)/\(collection).bson"
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CairnError(.io, "cannot create \(path): errno \(errno)") }
    }

    deinit { close(descriptor) }

    /// Writes documents behind those that are there.
    ///
    /// - Throws: `.io` when not all of it can be written.
    public func append(_ documents: RawSpan) throws {
        try unsafe documents.withUnsafeBytes { bytes in
            try lock.withLock { _ in try unsafe writeAll(bytes) }
        }
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
        var offset = 0
        while offset < bytes.count {
            let written = unsafe write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
            guard written > 0 else { throw CairnError(.io, "cannot write \(path): errno \(errno)") }
            offset += written
        }
    }
}
