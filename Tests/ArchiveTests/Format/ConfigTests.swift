import BSON
import Bytes
import ObjectStore
import Testing

@testable import Archive

/// The object `config`, and making and opening repositories. format-spec.md §5.6, §10, §11.
@Suite struct ConfigTests {
    private let key = KeySource.passphrase("open sesame")

    private func rewrite(_ store: MemoryStore, _ repository: Repository, _ change: (inout [UInt8]) -> Void) throws {
        try store.mutate(Names.config) { bytes in
            bytes.removeLast(64)
            change(&bytes)
            bytes += HMACSHA256(key: repository.keys.verificationKey).authenticate(bytes.rawSpan).bytes
            bytes += SHA256.hash(bytes.rawSpan).bytes
        }
    }

    @Test func noRepository() throws {
        #expect(throws: CairnError.self) { try Repository.open(store: MemoryStore(), key: key) }
            .map { #expect($0.code == .noRepository) }
    }

    /// [W-1]
    @Test func aSecondOneIsRefused() throws {
        let store = MemoryStore()
        _ = try Repository.create(store: store, parameters: .cheap, key: key)
        #expect(throws: CairnError.self) { try Repository.create(store: store, parameters: .cheap, key: key) }
            .map { #expect($0.code == .alreadyExists) }
        let damaged = MemoryStore()
        try damaged.put(Names.pack(.random()), [1].rawSpan, mode: .ifAbsent)
        #expect(throws: CairnError.self) { try Repository.create(store: damaged, parameters: .cheap, key: key) }
            .map { #expect($0.code == .alreadyExists) }
    }

    /// [W-1] [K-9]: an init that stopped after its key object is repeated, and the key that is left over bars nobody.
    @Test func aKeyWithoutConfigIsPassedOver() throws {
        let store = MemoryStore()
        let interrupted = MemoryStore()
        let other = try Repository.create(store: interrupted, parameters: .cheap, key: key)
        let left = Buffer(capacity: 1024)
        try interrupted.get(Names.key(other.openedBy), into: left)
        try store.put(Names.key(other.openedBy), left.bytes, mode: .ifAbsent)
        let made = try Repository.create(store: store, parameters: .cheap, key: key)
        let opened = try Repository.open(store: store, key: key)
        #expect(opened.openedBy == made.openedBy)
        #expect(try opened.listKeys().count == 1)
    }

    @Test func parametersSurvive() throws {
        let store = MemoryStore()
        let sizes = ChunkSizes(minimum: 1000, target: 4000, maximum: 9000)
        let made = try Repository.create(
            store: store, parameters: RepositoryParameters(documentChunks: sizes, passphraseCost: .cheap), key: key)
        let opened = try Repository.open(store: store, key: key)
        #expect(opened.config == made.config)
        #expect(opened.config.documentChunks == sizes)
        #expect(opened.config.metadataChunks == .metadata)
        #expect(try Repository.peek(store: store) == made.config)
    }

    /// [V-4]: said before any passphrase is tried.
    @Test func newerVersionsAndFeaturesAreNamed() throws {
        let store = MemoryStore()
        let made = try Repository.create(store: store, parameters: .cheap, key: key)
        try rewrite(store, made) { $0[8] = 2 }
        for source in [key, .passphrase("wrong")] {
            #expect(throws: CairnError.self) { try Repository.open(store: store, key: source) }
                .map { #expect($0.code == .unsupportedFormat && $0.message.contains("version 2")) }
        }
        try rewrite(store, made) { bytes in
            bytes[8] = 1
            bytes[16 + 2] = 0b0001_0000
        }
        #expect(throws: CairnError.self) { try Repository.open(store: store, key: key) }
            .map { #expect($0.code == .unsupportedFormat && $0.message.contains("20")) }
    }

    /// [V-1] [V-4] [V-5]: unknown compatible features are no hindrance; a newer write version allows reading only.
    @Test func readingGoesOnWhereItMay() throws {
        let store = MemoryStore()
        let made = try Repository.create(store: store, parameters: .cheap, key: key)
        try rewrite(store, made) { bytes in
            bytes[10] = 9
            bytes[24] = 0xFF
        }
        let opened = try Repository.open(store: store, key: key)
        #expect(!opened.config.isWritable)
        #expect(throws: CairnError.self) { try opened.requireWritable() }
            .map { #expect($0.code == .unsupportedFormat && $0.message.contains("9")) }
        #expect(throws: CairnError.self) { try opened.addKey(.keyFile(1), label: "", cost: .cheap) }
        #expect(throws: CairnError.self) { try Lease.acquire(.writer, in: opened, note: "") }
    }

    /// damage by the hash, tampering by the HMAC.
    @Test func everyFlippedBitIsFound() throws {
        let store = MemoryStore()
        _ = try Repository.create(store: store, parameters: .cheap, key: key)
        let original = Buffer(capacity: 1024)
        try store.get(Names.config, into: original)
        for offset in 0..<original.count {
            try store.mutate(Names.config) { $0[offset] ^= 0x10 }
            #expect(throws: CairnError.self) { try Repository.open(store: store, key: key) }
                .map { #expect($0.code == .corrupt) }
            // The same with the hash made to fit, as somebody would who has no key.
            try store.mutate(Names.config) { bytes in
                bytes.removeLast(32)
                bytes += SHA256.hash(bytes.rawSpan).bytes
            }
            if offset < original.count - 32 {
                #expect(throws: CairnError.self) { try Repository.open(store: store, key: key) }
            }
            try store.put(Names.config, original.bytes, mode: .replace)
        }
        _ = try Repository.open(store: store, key: key)
    }

    /// [N-3]: authentic and still nonsense.
    @Test func reservedBytesAndSizesAreChecked() throws {
        let store = MemoryStore()
        let made = try Repository.create(store: store, parameters: .cheap, key: key)
        for offset in [12, 15, 52, 55] {
            try rewrite(store, made) { $0[offset] = 1 }
            #expect(throws: CairnError.self) { try Repository.open(store: store, key: key) }
                .map { #expect($0.code == .corrupt) }
            try rewrite(store, made) { $0[offset] = 0 }
        }
        let target = Array("target\0".utf8)
        try rewrite(store, made) { bytes in
            let start = bytes.indices.first { bytes[$0...].starts(with: target) }!
            bytes[start + 7 + 2] = 0xFF
        }
        #expect(throws: CairnError.self) { try Repository.open(store: store, key: key) }
            .map { #expect($0.code == .corrupt) }
    }
}
