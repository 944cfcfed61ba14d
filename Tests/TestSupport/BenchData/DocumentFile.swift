import Bytes
import Glibc

/// A file of whole documents in mongodump's layout: `folder/<database>/<collection>.bson`.
public final class DocumentFile {
    private let path: String
    private let descriptor: Int32

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
        var offset = 0
        while offset < documents.byteCount {
            let written = unsafe documents.extracting(offset...).withUnsafeBytes {
                unsafe write(descriptor, $0.baseAddress, $0.count)
            }
            guard written > 0 else { throw CairnError(.io, "cannot write \(path): errno \(errno)") }
            offset += written
        }
    }
}
