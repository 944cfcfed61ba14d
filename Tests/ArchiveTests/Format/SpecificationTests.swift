import BSON
import Bytes
import Foundation
import TestSupport
import Testing

@testable import Archive

/// format-spec.md and the code keep each other honest.
@Suite struct SpecificationTests {
    private static let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "../../..").standardized

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    private static func ids(in text: String) -> Set<String> {
        Set(text.matches(of: /\[[A-Z]-[0-9]+\]/).map { String($0.output) })
    }

    private static func cited() throws -> [String: Set<String>] {
        var cited: [String: Set<String>] = [:]
        for folder in ["Sources", "Tests"] {
            let names =
                FileManager.default.enumerator(atPath: root.appending(path: folder).path)?.allObjects as? [String]
            for name in names ?? [] where name.hasSuffix(".swift") || name.hasSuffix(".py") {
                for id in ids(in: try text("\(folder)/\(name)")) { cited[id, default: []].insert(name) }
            }
        }
        return cited
    }

    /// Each requirement is cited by code or a test, and nothing is cited that is not a requirement.
    @Test func requirementsAndCitationsMatch() throws {
        let specification = try Self.text("format-spec.md")
        let defined = specification.matches(of: /(?m)^- (\[[A-Z]-[0-9]+\])/).map { String($0.output.1) }
        #expect(defined.count > 60)
        #expect(Set(defined).count == defined.count, "an id is defined twice")
        #expect(Self.ids(in: specification).subtracting(defined).isEmpty, "the document cites what it does not define")
        let cited = try Self.cited()
        for (id, files) in cited where !defined.contains(id) {
            Issue.record("\(id) is cited in \(files.sorted()), but format-spec.md does not define it")
        }
        for id in defined where cited[id] == nil {
            Issue.record("\(id) is cited neither in Sources nor in Tests")
        }
    }

    /// The sections that code cites exist.
    @Test func citedSectionsExist() throws {
        let headings = try Self.text("format-spec.md").matches(of: /(?m)^##+ ([0-9]+(\.[0-9]+)?)/)
        let sections = Set(headings.map { String($0.output.1) })
        for folder in ["Archive", "Operations"] {
            let path = "Sources/\(folder)"
            let names = FileManager.default.enumerator(atPath: Self.root.appending(path: path).path)?.allObjects
            for name in names as? [String] ?? [] where name.hasSuffix(".swift") {
                for match in try Self.text("\(path)/\(name)").matches(of: /format-spec\.md §([0-9]+(\.[0-9]+)?)/) {
                    #expect(sections.contains(String(match.output.1)), "\(name) cites §\(match.output.1)")
                }
            }
        }
    }

    /// §14.1: name → bytes.
    private static func vectors() throws -> [String: [UInt8]] {
        let text = try text("format-spec.md")
        let start = try #require(text.range(of: "### 14.1")).upperBound
        let block = try #require(text[start...].split(separator: "```", maxSplits: 2).dropFirst().first)
        var vectors: [String: [UInt8]] = [:]
        var name = ""
        for line in block.split(separator: "\n") {
            let parts = line.split(separator: " = ")
            if parts.count == 2 { name = parts[0].trimmingCharacters(in: .whitespaces) }
            let digits = (parts.last ?? "").trimmingCharacters(in: .whitespaces)
            vectors[name, default: []] += try #require(Hex.decode(digits), "\(line)")
        }
        return vectors
    }

    /// [A-1] [C-1] [K-1] [K-3] [K-4] [K-5] [K-11] [P-6]: the engine computes what the document says.
    @Test func primitives() throws {
        let vectors = try Self.vectors()
        func vector(_ name: String) throws -> [UInt8] { try #require(vectors[name], "\(name)") }
        func secret(_ name: String) throws -> SecretBytes {
            let bytes = try vector(name)
            return SecretBytes(copying: bytes.rawSpan)
        }
        func id(_ name: String) throws -> RandomID {
            let bytes = try vector(name)
            return RandomID(bytes.rawSpan)
        }
        let (repository, pack) = (try id("repository id"), try id("pack id"))
        let salt = try vector("salt")
        let keys = KeyRing(masters: [try secret("master key 0")], repository: repository)
        #expect(hex(keys.idKey) == Hex.encode(try vector("id key")))
        #expect(hex(keys.chunkerKey) == Hex.encode(try vector("chunker key")))
        #expect(hex(keys.verificationKey) == Hex.encode(try vector("verification key")))
        let packKey = try keys.packKey(epoch: 0, salt: salt, object: "")
        #expect(hex(packKey) == Hex.encode(try vector("key of the pack")))
        let snapshotKey = try keys.sealedKey(kind: .snapshot, epoch: 0, salt: salt, object: "")
        #expect(hex(snapshotKey) == Hex.encode(try vector("key of a snapshot")))
        for (label, name) in [("pack", "pack key"), ("metadata", "metadata key"), ("audit", "audit key")] {
            let derived = KeyDerivation.hkdf(
                key: keys.masters[0], salt: repository.bytes, info: "cairn/1 " + label, count: 32)
            #expect(hex(derived) == Hex.encode(try vector(name)))
        }
        let document = try vector("document {_id: 1}")
        let identity = [UInt8](try DocumentIdentity.idBytes(of: document.rawSpan))
        #expect(identity == (try vector("its `_id` element")))
        let hash = SipHash(key: keys.chunkerKey).hash64(identity.rawSpan)
        #expect(
            Hex.encode((0..<8).map { UInt8(truncatingIfNeeded: hash >> UInt64(56 - 8 * $0)) })
                == Hex.encode(try vector("SipHash of it")))
        let chunk = ChunkHasher(keys: keys).id(of: document.rawSpan, type: .documents)
        #expect(chunk.bytes == (try vector("chunk id, type 1")))
        try checkSealed(vectors, keys, PackIdentity(id: pack, epoch: 0, salt: Digest256(salt.rawSpan)), chunk)
        let stretched = try KeyDerivation.scrypt(
            passphrase: try secret("passphrase"), salt: salt, n: 16, r: 8, p: 1)
        #expect(hex(stretched) == Hex.encode(try vector("scrypt, logN 4, r 8, p 1")))
        let wrapping = KeyDerivation.hkdf(key: stretched, salt: salt, info: "cairn/1 wrap", count: 32)
        #expect(hex(wrapping) == Hex.encode(try vector("key-encryption key")))
    }

    /// Appendix A.2 shows the object that lies in the vectors.
    @Test func theHexDumpIsThatOfTheVector() throws {
        let text = try Self.text("format-spec.md")
        let start = try #require(text.range(of: "### A.2")).upperBound
        let block = try #require(text[start...].split(separator: "```", maxSplits: 2).dropFirst().first)
        let shown = block.split(separator: "\n").flatMap { line in
            line.dropFirst(6).prefix(47).split(separator: " ").compactMap { UInt8($0, radix: 16) }
        }
        let config = try Data(contentsOf: Self.root.appending(path: "Tests/Vectors/valid/config"))
        #expect(shown == [UInt8](config))
    }

    private func checkSealed(
        _ vectors: [String: [UInt8]], _ keys: KeyRing, _ pack: PackIdentity, _ chunk: ChunkID
    ) throws {
        let document = try #require(vectors["document {_id: 1}"])
        let entry = PackEntry(
            id: chunk, type: .documents, encoding: .raw, rawCount: document.count,
            storedCount: document.count + 16)
        let associated = Buffer(capacity: 88)
        AssociatedData(chunk: entry, of: pack, slot: 5, repository: keys.repository).write(to: associated)
        #expect(associated.array == vectors["associated data, slot 5"])
        let cipher = AESGCM()
        cipher.setKey(try keys.packKey(epoch: 0, salt: pack.salt.bytes, object: ""))
        let sealed = Buffer(copying: document)
        cipher.seal(sealed, from: 0, nonce: 5, aad: associated.bytes)
        #expect(sealed.array == vectors["sealed chunk"])
        let directory = Buffer(capacity: 64)
        entry.append(to: directory)
        #expect(directory.array == vectors["directory entry"])
        AssociatedData(directoryOf: pack, count: 1, repository: keys.repository).write(to: associated)
        cipher.seal(directory, from: 0, nonce: PackDirectory.slot, aad: associated.bytes)
        #expect(directory.array == vectors["sealed directory of it"])
        let salt = pack.salt.bytes
        let codec = SealedObjects(keys: keys, surroundings: Surroundings(random: { _ in salt }, now: { 0 }))
        let object = try codec.seal(try BSONDocument(validating: document), kind: .snapshot, id: pack.id)
        #expect(object.array == vectors["sealed object"])
    }

    /// an implementation from the words of §6.5 cuts where the chunker cuts.
    @Test(arguments: [UInt64(1), 2, 3])
    func chunkingIsAsDescribed(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let sizes = ChunkSizes(minimum: 2000, target: 10_000, maximum: 30_000)
        let hash = SipHash(key0: random.next(), key1: random.next())
        var chunker = Chunker(hash: hash, sizes: sizes)
        var described = DescribedChunking(sizes: sizes)
        for number in 0..<20_000 {
            let size = random.once(in: 50) ? random.integer(1..<40_000) : random.integer(20..<1500)
            let identity = random.bytes(9)
            let value = hash.hash64(identity.rawSpan)
            let before = chunker.mustEnd(beforeDocumentOf: size)
            let after = chunker.endsChunk(after: identity.rawSpan, size: size)
            let expected = described.take(hash: value, size: size)
            #expect(before == expected.before && after == expected.after, "document \(number) of seed \(seed)")
            guard before == expected.before, after == expected.after else { return }
        }
        #expect(described.cuts > 500)
    }
}

/// §6.5, word by word, in arithmetic that cannot overflow.
private struct DescribedChunking {
    let sizes: ChunkSizes
    var held = 0
    var sinceCandidate = 0
    var cuts = 0

    private func threshold(_ size: Int) -> UInt128 {
        let (minimum, target) = (UInt128(sizes.minimum), UInt128(sizes.target))
        guard size < sizes.target else { return UInt128(UInt64.max) }
        let plain = UInt128(size) * (UInt128(UInt64.max) / target)
        guard size < sizes.minimum else { return plain }
        var x = 1.0
        for _ in 0..<1000 { x = exp(x * Double(sizes.minimum) / Double(sizes.target)) }
        let c = UInt128(((x - 1) * 65536).rounded())
        return plain + plain / 65536 * (c * (minimum - UInt128(size)) / minimum)
    }

    mutating func take(hash: UInt64, size: Int) -> (before: Bool, after: Bool) {
        let before = held > 0 && held + size > sizes.maximum
        if before { held = 0 }
        held += size
        sinceCandidate += size
        let isCandidate = UInt128(hash) <= threshold(size)
        var after = false
        if isCandidate {
            after = sinceCandidate >= sizes.minimum
            sinceCandidate = 0
        } else {
            after = held > sizes.maximum - sizes.target && UInt128(hash / 16) <= threshold(size)
        }
        if after { held = 0 }
        if before || after { cuts += 1 }
        return (before, after)
    }
}
