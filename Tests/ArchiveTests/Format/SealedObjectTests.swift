import BSON
import Bytes
import ObjectStore
import Testing

@testable import Archive

/// The envelope of small objects. format-spec.md §6.4.
@Suite struct SealedObjectTests {
    private let keys = KeyRing(masters: [.random(32)], repository: .random())

    /// [E-1] [O-1]: under another id or as another kind nothing opens.
    @Test func anObjectOpensOnlyAsItself() throws {
        let codec = SealedObjects(keys: keys, surroundings: .system)
        let id = RandomID.random()
        for text in ["", String(repeating: "compresses well ", count: 100)] {
            let document: BSONDocument = ["text": .string(text)]
            let sealed = try codec.seal(document, kind: .snapshot, id: id)
            #expect(try codec.open(Buffer(copying: sealed.array), kind: .snapshot, id: id) == document)
            #expect(throws: CairnError.self) {
                try codec.open(Buffer(copying: sealed.array), kind: .snapshot, id: .random())
            }
            var bytes = sealed.array
            bytes[9] = ObjectKind.index.rawValue
            #expect(throws: CairnError.self) { try codec.open(Buffer(copying: bytes), kind: .index, id: id) }
            #expect(throws: CairnError.self) { try codec.open(Buffer(copying: sealed.array), kind: .index, id: id) }
            let foreign = SealedObjects(
                keys: KeyRing(masters: keys.masters, repository: .random()), surroundings: .system)
            #expect(throws: CairnError.self) {
                try foreign.open(Buffer(copying: sealed.array), kind: .snapshot, id: id)
            }
        }
    }

    /// [V-2] [E-2] [M-1] [N-3]: whatever bit is changed, nothing is parsed that was not sealed so.
    @Test func everyFlippedBitIsFound() throws {
        let codec = SealedObjects(keys: keys, surroundings: .system)
        let id = RandomID.random()
        let sealed = try codec.seal(["text": "abc"], kind: .lease, id: id).array
        for offset in sealed.indices {
            for bit in 0..<8 {
                var bytes = sealed
                bytes[offset] ^= 1 << UInt8(bit)
                let error = #expect(throws: CairnError.self) {
                    try codec.open(Buffer(copying: bytes), kind: .lease, id: id)
                }
                let isVersion = offset == 8 || offset == 10
                #expect(error?.code == .corrupt || (isVersion && error?.code == .unsupportedFormat))
                #expect(error?.object == "leases/" + id.hex)
            }
        }
        for count in sealed.indices {
            #expect(throws: CairnError.self) {
                try codec.open(Buffer(copying: Array(sealed.prefix(count))), kind: .lease, id: id)
            }
        }
    }

    /// [O-2]
    @Test func names() throws {
        let id = RandomID(hex: "ab000000000000000000000000000001")!
        #expect(Names.pack(id).path == "packs/ab/ab000000000000000000000000000001")
        #expect(Names.object(.snapshot, id).path == "snapshots/ab000000000000000000000000000001")
        for kind in ObjectKind.allCases {
            #expect(Names.id(of: Names.object(kind, id), kind: kind) == id)
        }
        for wrong in ["packs/ac/ab000000000000000000000000000001", "packs/ab", "snapshots/ab", "indexes/" + id.hex] {
            #expect(Names.id(of: ObjectName(trusted: wrong), kind: .chunk) == nil)
        }
        let store = MemoryStore()
        let repository = try Repository.create(store: store, parameters: .cheap, key: .keyFile(1))
        try store.put(ObjectName(trusted: "snapshots/readme"), [1].rawSpan, mode: .ifAbsent)
        #expect(try repository.snapshotIDs().isEmpty)
    }
}
