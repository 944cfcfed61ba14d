import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// Sizes and offsets of every fixed structure, against the tables of format-spec.md, by writing each with values that
/// can be told apart. [N-1] [N-2]
@Suite struct LayoutTests {
    private let repository = RandomID(hex: "000102030405060708090a0b0c0d0e0f")!
    private let object = RandomID(hex: "202122232425262728292a2b2c2d2e2f")!
    private let digest = Digest256(hex: String(repeating: "d1", count: 32))!
    private let salt = Digest256(hex: String(repeating: "5a", count: 32))!

    private func hex(_ bytes: [UInt8], _ offset: Int, _ size: Int) -> String {
        Hex.encode(Array(bytes[offset..<(offset + size)]))
    }

    /// §5.3
    @Test func associatedData() {
        let buffer = Buffer(capacity: 100)
        AssociatedData(
            repository: repository, kind: .audit, type: 0x11, encoding: 0x22, epoch: 0x3344_5566,
            slot: 0x7788_99AA_BBCC_DDEE, object: object, rawCount: 0x0102_0304, chunk: digest
        ).write(to: buffer)
        let bytes = buffer.array
        #expect(bytes.count == 88 && AssociatedData.size == 88)
        #expect(hex(bytes, 0, 16) == repository.hex)
        #expect(hex(bytes, 16, 4) == "07011122")
        #expect(hex(bytes, 20, 4) == "66554433")
        #expect(hex(bytes, 24, 8) == "eeddccbbaa998877")
        #expect(hex(bytes, 32, 16) == object.hex)
        #expect(hex(bytes, 48, 8) == "0403020100000000")
        #expect(hex(bytes, 56, 32) == digest.hex)
    }

    /// §7.1, §7.3, §7.4
    @Test func packStructures() throws {
        let header = Buffer(capacity: 100)
        PackHeader(epoch: 0x0102_0304, salt: salt).append(to: header)
        #expect(header.count == 48 && PackHeader.size == 48)
        #expect(hex(header.array, 0, 16) == "ca49524e700d0a1a" + "01000000" + "04030201")
        #expect(hex(header.array, 16, 32) == salt.hex)
        let entry = Buffer(capacity: 100)
        PackEntry(id: digest, type: .leafList, encoding: .zstd, rawCount: 0x0102_0304, storedCount: 0x0203_0405)
            .append(to: entry)
        #expect(entry.count == 44 && PackEntry.size == 44)
        #expect(hex(entry.array, 0, 32) == digest.hex)
        #expect(hex(entry.array, 32, 12) == "02010000" + "04030201" + "05040302")
        let trailer = Buffer(capacity: 100)
        PackTrailer(entries: 3).append(to: trailer)
        #expect(trailer.count == 16 && PackTrailer.size == 16)
        #expect(hex(trailer.array, 0, 16) == "94000000" + "03000000" + "ca49524e650d0a1a")
        #expect(AESGCM.tagByteCount == 16)
        #expect(PackDirectory.slot == 4_294_967_295)
    }

    /// §6.4
    @Test func sealedObject() throws {
        let keys = KeyRing(masters: [.random(32)], repository: repository)
        let sealed = try SealedObjects(keys: keys, surroundings: .system).seal([:], kind: .lease, id: object).array
        #expect(sealed.count == 56 + 5 + 16 && SealedObjects.headerSize == 56)
        #expect(hex(sealed, 0, 16) == "ca49524e730d0a1a" + "01060000" + "00000000")
        #expect(hex(sealed, 16, 8) == "0500000000000000")
    }

    /// §5.5, §5.6
    @Test func configAndKeyObject() throws {
        let store = MemoryStore()
        let made = try Repository.create(store: store, parameters: .cheap, key: .keyFile(1))
        func bytes(_ name: ObjectName) throws -> [UInt8] {
            let buffer = Buffer(capacity: 1024)
            try store.get(name, into: buffer)
            return buffer.array
        }
        let config = try bytes(Names.config)
        let parameters = Int(config[48]) + Int(config[49]) << 8
        #expect(config.count == 56 + parameters + 64 && RepositoryConfig.headerSize == 56)
        #expect(hex(config, 0, 16) == "ca49524e630d0a1a" + "01000100" + "00000000")
        #expect(hex(config, 16, 16) == "01" + String(repeating: "0", count: 30))
        #expect(hex(config, 32, 16) == made.config.id.hex)
        #expect(config[56] == UInt8(truncatingIfNeeded: parameters))
        let key = try bytes(Names.key(made.openedBy))
        let publicPart = Int(key[12]) + Int(key[13]) << 8
        #expect(key.count == 40 + publicPart + 4 + 32 + 16 + 64 && KeyObject.headerSize == 40)
        #expect(hex(key, 0, 12) == "ca49524e6b0d0a1a" + "01020000")
        #expect(hex(key, 16, 8) == "34000000" + "00000000")
        #expect(hex(key, 24, 16) == made.config.id.hex)
    }

    /// [C-2] [C-3] [O-1]
    @Test func numbers() {
        #expect(ChunkType.allCases.map(\.rawValue) == [1, 2, 3, 4, 5])
        #expect(ChunkEncoding.allCases.map(\.rawValue) == [0, 1, 2])
        #expect(ObjectKind.allCases.map(\.rawValue) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        #expect([ChunkType.documents, .leafList, .catalogue, .oplog, .run].map(\.rawValue) == [1, 2, 3, 4, 5])
        #expect(KeyObject.Method.passphrase.rawValue == 1 && KeyObject.Method.keyFile.rawValue == 2)
    }

    /// §12.2 [L-1]
    @Test func limits() {
        #expect(FormatLimits.packSizeMax == 1 << 30 && FormatLimits.packEntriesMax == 32_768)
        #expect(FormatLimits.chunkSizeMax == 67_108_864 && FormatLimits.sealedSizeMax == 67_108_864)
        #expect(FormatLimits.indexEntriesMax == 50_000 && FormatLimits.epochsMax == 256)
        #expect(FormatLimits.configSizeMax == 65_536 && FormatLimits.keyObjectSizeMax == 65_536)
        #expect(FormatLimits.keyLabelMax == 256 && FormatLimits.leafIDMax == 1024)
        #expect(FormatLimits.inlineLeavesMax == 4 && FormatLimits.leaseDurationMax == 86_400_000)
        #expect(BSONValidator.depthMax == 256 && Lease.clockSkewMargin == 300_000)
    }
}
