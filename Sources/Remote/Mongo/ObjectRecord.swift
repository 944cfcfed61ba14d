import BSON
import Bytes

/// One document of `cairn.objects`.
struct ObjectRecord {
    let size: Int
    /// Seconds since 1970-01-01 UTC, by the server's clock.
    let modified: Int64
    let upload: RandomID?
    let sha256: Digest256?
    /// The object's bytes when they lie here.
    let data: [UInt8]?

    /// The object as the server has it; fields that a projection left out are nil.
    ///
    /// - Throws: `.corrupt` when size or time are missing or of another type.
    init(_ view: DocumentView, location: String) throws {
        guard let size = try view.first(named: "size")?.integer, size >= 0,
            let modified = try view.first(named: "modified")?.date
        else {
            throw CairnError(
                .corrupt, "a document of \(MongoStore.objects) has no size or time; was it changed by hand?",
                object: location)
        }
        self.size = Int(size)
        self.modified = modified / 1_000
        if let bytes = try view.first(named: "upload")?.binary, bytes.byteCount == RandomID.byteCount {
            upload = RandomID(bytes)
        } else {
            upload = nil
        }
        if let bytes = try view.first(named: "sha256")?.binary, bytes.byteCount == Digest256.byteCount {
            sha256 = Digest256(bytes)
        } else {
            sha256 = nil
        }
        if let bytes = try view.first(named: "data")?.binary {
            let copy = Buffer(capacity: bytes.byteCount)
            copy.append(bytes)
            data = copy.array
        } else {
            data = nil
        }
    }
}
