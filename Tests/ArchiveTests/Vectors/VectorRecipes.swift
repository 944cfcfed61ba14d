import BSON
import Bytes
import ObjectStore

@testable import Archive

extension VectorRecipe {
    /// Everything below `Tests/Vectors`.
    static var all: [VectorRecipe] {
        valid + configs + keys + snapshots + indexes + packs + layers + segments + fences + columns
    }

    /// §6.6
    private static var columns: [VectorRecipe] {
        func recipe(
            _ folder: String, _ expectation: VectorCase.Expectation, _ text: String,
            _ change: @escaping ([UInt8]) -> [UInt8] = { $0 }
        ) -> VectorRecipe {
            VectorRecipe(folder, expectation, text) {
                var hooks = GoldenRepository.Hooks()
                hooks.hasColumns = true
                hooks.hasLayers = true
                hooks.columns = change
                return try GoldenRepository(hooks).store
            }
        }
        return [
            recipe("columns", .success, "[J-1] to [J-7] documents and oplog entries in columns"),
            recipe("columns-cut", .damage, "[J-2] a stream that is cut off") { Array($0.dropLast()) },
            recipe("columns-extra", .damage, "[J-3] a byte behind the streams") { $0 + [0] },
            recipe("columns-size", .damage, "[J-4] a directory of 32 GiB") {
                [0xFF, 0xFF, 0xFF, 0xFF, 0x7F] + $0.dropFirst()
            },
        ]
    }

    private static var valid: [VectorRecipe] {
        var plain = VectorRecipe("valid", .success, "two snapshots that share chunks") {
            try GoldenRepository().store
        }
        plain.cases += [
            VectorCase(folder: "valid", key: VectorCase.fileKey, expectation: .success, text: "by key file"),
            VectorCase(
                folder: "valid", key: "passphrase \"incorrect\"", expectation: .wrongKey, text: "[K-9] wrong passphrase"
            ),
            VectorCase(
                folder: "valid", key: "keyfile " + String(repeating: "00", count: 32), expectation: .wrongKey,
                text: "[K-9] wrong key file"),
        ]
        return [plain]
    }

    private static var configs: [VectorRecipe] {
        [
            VectorRecipe("config-missing", .noRepository, "no config") { store, _ in try store.delete(Names.config) },
            VectorRecipe("config-magic", .damage, "[M-1] CRLF became LF") { store, _ in
                try store.mutate(Names.config) { $0.remove(at: 5) }
            },
            VectorRecipe("config-flipped", .damage, "[R-3] one bit of the parameters") { store, _ in
                try store.mutate(Names.config) { $0[80] ^= 1 }
            },
            VectorRecipe("config-tampered", .damage, "[R-2] the same, with a hash that fits") { store, _ in
                try store.mutate(Names.config) { bytes in
                    bytes[75] ^= 1
                    bytes.removeLast(32)
                    bytes += SHA256.hash(bytes.rawSpan).bytes
                }
            },
            resealed("config-newer", .unsupported, "[V-4] read version 2") { $0[8] = 2 },
            resealed("config-feature", .unsupported, "[V-4] incompatible feature bit 33") { $0[20] = 2 },
            resealed("config-compatible", .success, "[V-4] unknown compatible feature bits") { $0[24] = 0xFF },
            resealed("config-write-version", .success, "[V-5] write version 2") { $0[10] = 2 },
            resealed("config-reserved", .damage, "[N-3] a reserved byte") { $0[52] = 1 },
            resealed("config-sizes", .damage, "[R-4] a target that is smaller than the minimum") { bytes in
                let name = Array("target\0".utf8)
                guard let start = bytes.indices.first(where: { bytes[$0...].starts(with: name) }) else { return }
                bytes[start + name.count + 2] = 0
            },
        ]
    }

    /// Changes the config and makes hash and HMAC fit again.
    private static func resealed(
        _ folder: String, _ expectation: VectorCase.Expectation, _ text: String,
        change: @escaping (inout [UInt8]) -> Void
    ) -> VectorRecipe {
        VectorRecipe(folder, expectation, text) { store, golden in
            try store.mutate(Names.config) { bytes in
                bytes.removeLast(64)
                change(&bytes)
                bytes += HMACSHA256(key: golden.repository.keys.verificationKey).authenticate(bytes.rawSpan).bytes
                bytes += SHA256.hash(bytes.rawSpan).bytes
            }
        }
    }

    private static var keys: [VectorRecipe] {
        [
            VectorRecipe(
                "key-one-damaged", .success, "[K-9] the key file's object is damaged", key: VectorCase.standardKey
            ) {
                let golden = try GoldenRepository()
                for key in try golden.repository.listKeys() where !key.isPassphrase {
                    try golden.store.mutate(Names.key(key.id)) { $0[50] ^= 1 }
                }
                return golden.store
            },
            VectorRecipe("key-all-damaged", .damage, "[K-6] no key object is left") { store, golden in
                for key in try golden.repository.listKeys() { try store.mutate(Names.key(key.id)) { $0.removeLast() } }
            },
            VectorRecipe("key-foreign", .success, "[K-9] a key object of another repository is passed over") {
                store, _ in
                var hooks = GoldenRepository.Hooks()
                hooks.seed = "another repository"
                let other = try GoldenRepository(hooks)
                for key in try other.repository.listKeys() {
                    let bytes = Buffer(capacity: 512)
                    try other.store.get(Names.key(key.id), into: bytes)
                    try store.put(Names.key(key.id), bytes.bytes, mode: .ifAbsent)
                }
            },
        ]
    }

    private static func snapshot(
        _ name: String, _ expectation: VectorCase.Expectation, _ text: String,
        _ change: @escaping (BSONDocument) -> BSONDocument
    ) -> VectorRecipe {
        VectorRecipe(name, expectation, text) { (hooks: inout GoldenRepository.Hooks) in hooks.snapshot = change }
    }

    private static var snapshots: [VectorRecipe] {
        [
            VectorRecipe("snapshot-flipped", .damage, "[A-1] one bit of a snapshot") { store, golden in
                try store.mutate(Names.object(.snapshot, golden.snapshots[0])) { $0[90] ^= 0x20 }
            },
            VectorRecipe("snapshot-truncated", .damage, "a snapshot cut off") { store, golden in
                try store.mutate(Names.object(.snapshot, golden.snapshots[0])) { $0.removeLast(9) }
            },
            VectorRecipe("snapshot-renamed", .damage, "[A-1] a snapshot under another id") { store, golden in
                let bytes = Buffer(capacity: 1024)
                try store.get(Names.object(.snapshot, golden.snapshots[0]), into: bytes)
                let id = SHA256.hash([1].rawSpan).bytes
                try store.put(
                    Names.object(.snapshot, RandomID(id.rawSpan.extracting(first: 16))), bytes.bytes, mode: .ifAbsent)
            },
            VectorRecipe("snapshot-foreign", .damage, "[A-1] a snapshot of another repository") { store, golden in
                var hooks = GoldenRepository.Hooks()
                hooks.seed = "another repository"
                let other = try GoldenRepository(hooks)
                let bytes = Buffer(capacity: 1024)
                try other.store.get(Names.object(.snapshot, other.snapshots[0]), into: bytes)
                try store.put(Names.object(.snapshot, golden.snapshots[0]), bytes.bytes, mode: .replace)
            },
            VectorRecipe("snapshot-stray", .success, "[O-2] a file that is no snapshot") { store, _ in
                try store.put(ObjectName(trusted: "snapshots/readme.txt"), [65].rawSpan, mode: .ifAbsent)
            },
            snapshot("snapshot-version", .unsupported, "[V-3] version 3") { $0.with("version", 3) },
            snapshot("snapshot-kind", .unsupported, "[F-3] a kind of the future") { $0.with("kind", "hologram") },
            snapshot("snapshot-field", .damage, "[B-2] without the field `exact`") { $0.with("exact", nil) },
            snapshot("snapshot-mistyped", .damage, "[B-2] `tags` is a string") { $0.with("tags", "nightly") },
            snapshot("snapshot-extra", .success, "[B-3] with a field of a later minor version") { $0.with("later", 1) },
            snapshot("snapshot-totals", .damage, "[F-5] totals that are not those of the catalogue") {
                guard case .document(let totals)? = $0["totals"] else { return $0 }
                return $0.with("totals", .document(totals.with("documents", .int64(1))))
            },
        ]
    }

    private static var indexes: [VectorRecipe] {
        [
            VectorRecipe("index-missing", .damage, "no index object") { store, golden in
                for id in try golden.repository.list(.index) { try store.delete(Names.object(.index, id)) }
            },
            VectorRecipe("index-flipped", .damage, "[A-1] one bit of the index") { store, golden in
                for id in try golden.repository.list(.index) {
                    try store.mutate(Names.object(.index, id)) { $0[30] ^= 1 }
                }
            },
            VectorRecipe("index-version", .unsupported, "[V-3] version 2") { (hooks: inout GoldenRepository.Hooks) in
                hooks.index = { $0.with("version", 2) }
            },
            VectorRecipe("index-size", .damage, "[A-1] a wrong raw size") { (hooks: inout GoldenRepository.Hooks) in
                hooks.packs = { packs in packs[0].entries[0].rawCount += 1 }
            },
            VectorRecipe("index-swapped", .damage, "[A-1] two chunks with each other's ids") {
                (hooks: inout GoldenRepository.Hooks) in
                hooks.packs = { packs in
                    let id = packs[0].entries[0].id
                    packs[0].entries[0].id = packs[0].entries[1].id
                    packs[0].entries[1].id = id
                }
            },
            VectorRecipe("index-type", .damage, "[F-6] the leaf list is listed as documents") {
                (hooks: inout GoldenRepository.Hooks) in
                hooks.packs = { packs in
                    for (number, entry) in packs[0].entries.enumerated() where entry.type == .leafList {
                        packs[0].entries[number].type = .documents
                    }
                }
            },
            VectorRecipe("index-encoding", .unsupported, "[C-3] encoding 7") { (hooks: inout GoldenRepository.Hooks) in
                hooks.index = { document in
                    guard case .array(let packs)? = document["packs"], case .document(let pack)? = packs.first,
                        case .binary(let subtype, var chunks)? = pack["chunks"]
                    else { return document }
                    chunks[33] = 7
                    let changed = pack.with("chunks", .binary(subtype: subtype, chunks))
                    return document.with("packs", .array([.document(changed)] + packs.dropFirst()))
                }
            },
            VectorRecipe("index-twice", .success, "[I-2] a chunk also where there is none") {
                (hooks: inout GoldenRepository.Hooks) in
                // The same pack once more, which says the same.
                hooks.packs = { packs in packs.append(packs[0]) }
            },
        ]
    }

    private static var packs: [VectorRecipe] {
        [
            pack("pack-missing", "a pack is missing") { store, name in try store.delete(name) },
            pack("pack-flipped", "[A-1] one bit of the first chunk") { store, name in
                try store.mutate(name) { $0[60] ^= 0x80 }
            },
            pack("pack-truncated", "a pack cut off in its first chunk") { store, name in
                try store.mutate(name) { $0 = Array($0.prefix(55)) }
            },
            pack("pack-foreign", "[A-1] the pack of another repository under its name") { store, name in
                var hooks = GoldenRepository.Hooks()
                hooks.seed = "another repository"
                let other = try GoldenRepository(hooks)
                var packs: [ObjectName] = []
                try other.store.list(prefix: "packs/") { packs.append($0.name) }
                guard let found = packs.min() else { return }
                let bytes = Buffer(capacity: 4096)
                try other.store.get(found, into: bytes)
                try store.put(name, bytes.bytes, mode: .replace)
            },
            VectorRecipe("chunk-id", .damage, "[C-1] a chunk whose id is not the HMAC of its plaintext") {
                (hooks: inout GoldenRepository.Hooks) in
                hooks.chunkID = { id in SHA256.hash(id.bytes.rawSpan) }
            },
            VectorRecipe("leaf-count", .damage, "[F-2] leaves that count one document less") {
                (hooks: inout GoldenRepository.Hooks) in
                hooks.leaf = { $0.with("n", .int64(2)) }
            },
            VectorRecipe("entry-type", .unsupported, "[F-2] a namespace type of the future") {
                (hooks: inout GoldenRepository.Hooks) in
                hooks.entry = { $0.with("type", $0["type"] == "view" ? "hologram" : $0["type"]) }
            },
            VectorRecipe("entry-order", .damage, "[F-4] entries out of order") {
                (hooks: inout GoldenRepository.Hooks) in
                hooks.entry = { $0.with("coll", $0["coll"] == "empty" ? "zzz" : $0["coll"]) }
            },
        ]
    }

    /// A defect of the first snapshot's pack.
    private static func pack(
        _ folder: String, _ text: String, _ change: @escaping (MemoryStore, ObjectName) throws -> Void
    ) -> VectorRecipe {
        VectorRecipe(folder, .damage, text) { store, golden in
            let codec = golden.repository.makeSealedObjects()
            for id in try golden.repository.list(.index) {
                let document = try golden.repository.readSealed(kind: .index, id: id, codec: codec)
                let index = try IndexObject(document, object: "index")
                try change(store, Names.pack(index.packs[0].identity.id))
            }
        }
    }
}
