import BSON
import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Archive

/// Key objects and opening. format-spec.md §5.5.
@Suite struct KeyTests {
    private func make(_ store: MemoryStore, _ key: KeySource = .passphrase("open sesame")) throws -> Repository {
        try Repository.create(store: store, parameters: .cheap, key: key)
    }

    /// [K-1] [K-5]
    @Test func opensByPassphraseAndByKeyFile() throws {
        let store = MemoryStore()
        let made = try Repository.create(
            store: store, parameters: .cheap, key: .passphrase("open sesame"), surroundings: .seeded("two keys"))
        _ = try made.addKey(.keyFile(7), label: "vault", cost: .cheap)
        let byPassphrase = try Repository.open(store: store, key: .passphrase("open sesame"))
        let byFile = try Repository.open(store: store, key: .keyFile(7))
        for opened in [byPassphrase, byFile] {
            #expect(opened.config == made.config)
            #expect(hex(opened.keys.idKey) == hex(made.keys.idKey))
            #expect(hex(opened.keys.chunkerKey) == hex(made.keys.chunkerKey))
        }
        #expect(try byFile.listKeys().map(\.label) == ["first key", "vault"])
        #expect(try byFile.listKeys().map(\.isCurrent) == [false, true])
        #expect(try byFile.listKeys().map(\.isPassphrase) == [true, false])
    }

    /// [K-9]: the right key is found whatever stands before it.
    @Test func everyKeyIsTried() throws {
        let store = MemoryStore()
        let made = try make(store)
        for number in 0..<5 { _ = try made.addKey(.passphrase("other \(number)"), label: "", cost: .cheap) }
        for number in 0..<5 { _ = try Repository.open(store: store, key: .passphrase("other \(number)")) }
        let error = #expect(throws: CairnError.self) {
            try Repository.open(store: store, key: .passphrase("guess"))
        }
        #expect(error?.code == .wrongKey)
        #expect(error?.message.contains("6") == true)
        let kind = #expect(throws: CairnError.self) { try Repository.open(store: store, key: .keyFile(1)) }
        #expect(kind?.code == .wrongKey)
    }

    /// [K-6] [K-9]: a damaged key object is named, beside the wrong passphrase and in the listing, and does not keep
    /// the others from opening.
    @Test func damagedKeyObjectsAreReportedApart() throws {
        let store = MemoryStore()
        let made = try make(store)
        let second = try made.addKey(.passphrase("second"), label: "second", cost: .cheap)
        try store.mutate(Names.key(second)) { $0[70] ^= 1 }
        _ = try Repository.open(store: store, key: .passphrase("open sesame"))
        let error = #expect(throws: CairnError.self) {
            try Repository.open(store: store, key: .passphrase("second"))
        }
        #expect(error?.code == .wrongKey)
        #expect(error?.message.contains(second.hex) == true)
        var damaged: [CairnError] = []
        #expect(try made.listKeys { damaged.append($0) }.count == 1)
        #expect(damaged.map(\.object) == ["keys/" + second.hex])
        // With every key object gone bad there is nothing that a right passphrase could prove.
        try store.mutate(Names.key(made.openedBy)) { $0[70] ^= 1 }
        #expect(throws: CairnError.self) { try Repository.open(store: store, key: .passphrase("open sesame")) }
            .map { #expect($0.code == .corrupt) }
    }

    /// [K-6]: a label cannot be changed by somebody who has no key.
    @Test func labelsAreAuthenticated() throws {
        let store = MemoryStore()
        let made = try make(store)
        let second = try made.addKey(.keyFile(3), label: "alice", cost: .cheap)
        try store.mutate(Names.key(second)) { bytes in
            let start = try #require(bytes.indices.first { bytes[$0...].starts(with: Array("alice".utf8)) })
            bytes.replaceSubrange(start..<(start + 5), with: Array("mallo".utf8))
            let body = Array(bytes.dropLast(32))
            bytes = body + SHA256.hash(body.rawSpan).bytes
        }
        var damaged: [CairnError] = []
        #expect(try made.listKeys { damaged.append($0) }.map(\.label) == ["first key"])
        #expect(damaged.count == 1)
        #expect(throws: CairnError.self) { try Repository.open(store: store, key: .keyFile(3)) }
    }

    @Test func theLastKeyStays() throws {
        let store = MemoryStore()
        let made = try make(store)
        #expect(throws: CairnError.self) { try made.removeKey(made.openedBy) }.map { #expect($0.code == .usage) }
        let second = try made.addKey(.keyFile(3), label: "", cost: .cheap)
        try made.removeKey(made.openedBy)
        #expect(throws: CairnError.self) { try made.removeKey(second) }.map { #expect($0.code == .usage) }
        #expect(throws: CairnError.self) { try made.removeKey(.random()) }.map { #expect($0.code == .notFound) }
        _ = try Repository.open(store: store, key: .keyFile(3))
    }

    /// [K-8]: a key object cannot make a reader run out of memory or time.
    @Test(arguments: [(25, 8, 1), (20, 16, 1), (17, 1024, 1), (14, 8, 1024), (0, 8, 1), (17, 0, 1), (17, 8, 0)])
    func costsOutOfBoundsAreRefused(logN: Int, r: Int, p: Int) {
        #expect(throws: CairnError.self) {
            try PassphraseCost(logN: logN, r: r, p: p).validate(object: "keys/x")
        }
    }

    /// [K-7]
    @Test func theStandardCostIsWithinBounds() throws {
        #expect(PassphraseCost.standard == PassphraseCost(logN: 17, r: 8, p: 1))
        try PassphraseCost.standard.validate(object: "keys/x")
    }

    @Test func keyFilesHaveExactly32Bytes() {
        #expect(throws: CairnError.self) {
            try make(MemoryStore(), .keyFile(SecretBytes(copying: [1, 2, 3].rawSpan)))
        }
        .map { #expect($0.code == .usage) }
    }

    /// [K-2] [K-12]: what was sealed under an older master key stays readable, chunk ids stay the same, and an epoch
    /// that does not exist is refused.
    @Test func epochs() throws {
        let id = RandomID.random()
        let first = SecretBytes.random(32)
        let old = KeyRing(masters: [first], repository: id)
        let new = KeyRing(masters: [first, .random(32)], repository: id)
        #expect(new.currentEpoch == 1)
        #expect(hex(old.idKey) == hex(new.idKey))
        let object = RandomID.random()
        let sealed = try SealedObjects(keys: old, surroundings: .system).seal(["a": 1], kind: .index, id: object)
        let opener = SealedObjects(keys: new, surroundings: .system)
        #expect(try opener.open(sealed, kind: .index, id: object) == ["a": 1])
        let newer = try opener.seal(["a": 1], kind: .index, id: object)
        #expect(throws: CairnError.self) {
            try SealedObjects(keys: old, surroundings: .system).open(newer, kind: .index, id: object)
        }
        .map { #expect($0.code == .corrupt) }
    }

    /// [K-3] [K-4] [K-10]: every object has a key of its own, and audit records one that the metadata key is no help
    /// with.
    @Test func objectKeysDiffer() throws {
        let keys = KeyRing(masters: [.random(32)], repository: .random())
        let salts = [[UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 32)]
        var seen: Set<String> = []
        for salt in salts {
            seen.insert(hex(try keys.packKey(epoch: 0, salt: salt, object: "x")))
            seen.insert(hex(try keys.sealedKey(kind: .index, epoch: 0, salt: salt, object: "x")))
            seen.insert(hex(try keys.sealedKey(kind: .audit, epoch: 0, salt: salt, object: "x")))
        }
        #expect(seen.count == 6)
        let codec = SealedObjects(keys: keys, surroundings: .system)
        let id = RandomID.random()
        let (one, two) = (
            try codec.seal(["a": 1], kind: .index, id: id), try codec.seal(["a": 1], kind: .index, id: id)
        )
        #expect(one.array != two.array)
    }
}

/// `#expect` cannot hold spans.
func hex(_ secret: SecretBytes) -> String { Hex.encode(secret.bytes) }

extension MemoryStore {
    /// Changes the bytes of an object behind everybody's back.
    func mutate(_ name: ObjectName, _ change: (inout [UInt8]) throws -> Void) throws {
        let buffer = Buffer(capacity: 1024)
        try get(name, into: buffer)
        var bytes = buffer.array
        try change(&bytes)
        try put(name, bytes.rawSpan, mode: .replace)
    }
}
