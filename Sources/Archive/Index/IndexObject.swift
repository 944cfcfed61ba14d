import BSON
import Bytes

/// Which chunks some packs hold. Every pack stands in at least one index object; one that stands in several says the
/// same in each. format-spec.md §8 [I-1].
///
/// ```
/// version int32  1
/// packs   array  of {id: binary 16, epoch: int32, salt: binary 32, chunks: binary, 44 bytes a chunk, level: int32}
/// ```
/// `chunks` repeats the pack's directory. One binary field a pack and not an array of documents: 44 bytes a chunk
/// instead of 90, and no parsing but a walk over fixed records.
public struct IndexObject: Hashable, Sendable {
    /// The version of index documents that this engine writes and reads.
    static let version = 1

    /// The packs, in any order.
    public var packs: [PackContents]

    /// An index of `packs`.
    public init(packs: [PackContents]) { self.packs = packs }

    /// The chunks in all packs; a writer starts another object before it passes `FormatLimits.indexEntriesMax`.
    public var entryCount: Int { packs.reduce(0) { $0 + $1.entries.count } }

    /// The document that is sealed.
    func encode() -> BSONDocument {
        BSONDocument { builder in
            builder.append("version", .int32(Int32(IndexObject.version)))
            builder.openArray("packs")
            for (number, pack) in packs.enumerated() {
                let chunks = Buffer(capacity: pack.entries.count * PackEntry.size)
                for entry in pack.entries { entry.append(to: chunks) }
                builder.openDocument(String(number))
                builder.append("id", .id(pack.identity.id))
                builder.append("epoch", .int32(Int32(pack.identity.epoch)))
                builder.append("salt", .digest(pack.identity.salt))
                builder.append("chunks", .binary(subtype: 0, chunks.array))
                builder.append("level", ifPresent: pack.level.map { .int32(Int32($0)) })
                builder.close()
            }
            builder.close()
        }
    }

    /// Reads the document of the index object called `object`.
    init(_ document: BSONDocument, object: String) throws {
        try document.requireVersion(IndexObject.version, in: object)
        let stored: [BSONDocument] = try document.require("packs", in: object)
        packs = []
        packs.reserveCapacity(stored.count)
        for pack in stored { packs.append(try IndexObject.readPack(pack, object: object)) }
        guard entryCount <= FormatLimits.indexEntriesMax else {
            throw CairnError(.corrupt, "an index object lists \(entryCount) chunks", object: object)
        }
    }

    private static func readPack(_ document: BSONDocument, object: String) throws -> PackContents {
        let identity = PackIdentity(
            id: try document.requireID("id", in: object),
            epoch: UInt32(clamping: try document.requireCount("epoch", in: object)),
            salt: try document.requireDigest("salt", in: object))
        let bytes = try document.require("chunks", as: BSONBinary.self, in: object).bytes
        let contents = PackContents(
            identity: identity, entries: try PackDirectory.readEntries(bytes.rawSpan, object: object),
            level: document.contains("level") ? try document.requireCount("level", in: object) : nil)
        guard contents.objectSize <= FormatLimits.packSizeMax else {
            throw CairnError(
                .corrupt, "pack \(identity.id.hex) would have \(contents.objectSize) bytes", object: object)
        }
        return contents
    }
}
