import BSON
import Bytes
import ObjectStore

@testable import Archive

/// Runs and segments.
extension VectorRecipe {
    /// A repository with layers, changed by `hooks`.
    private static func layered(
        _ folder: String, _ expectation: VectorCase.Expectation, _ text: String,
        hooks: @escaping (inout GoldenRepository.Hooks) -> Void = { _ in }
    ) -> VectorRecipe {
        VectorRecipe(folder, expectation, text) {
            var changed = GoldenRepository.Hooks()
            changed.hasLayers = true
            hooks(&changed)
            return try GoldenRepository(changed).store
        }
    }

    static var layers: [VectorRecipe] {
        [
            layered("layers", .success, "runs, segments and a gap beside two full snapshots"),
            layered("run-version", .damage, "[V-6] runs in a snapshot of version 1") {
                $0.incremental = { $0.with("version", 1) }
            },
            layered("run-removed", .damage, "[F-8] a run that counts a removal more than it lists") {
                $0.runs = { $0[0].removed += 1 }
            },
            layered("run-delta", .damage, "[F-8] a run after which one document less is live than it says") {
                $0.runs = { $0[1].delta += 1 }
            },
            layered("run-leaves", .damage, "[F-2] a run whose leaf counts a document more") {
                $0.runs = { $0[1].documents += 1 }
            },
            layered("run-twice", .damage, "[F-9] a run that puts and removes one `_id`") {
                $0.putIntoRun = { $0["_id"] == "second" ? $0.with("_id", "first") : $0 }
            },
            layered("run-bare", .damage, "[F-9] a document of a run without `_id`") {
                $0.putIntoRun = { $0["_id"] == "second" ? $0.with("_id", nil) : $0 }
            },
            layered("run-removal", .damage, "[C-2] a removal with a field beside the `_id`") {
                $0.removals = { bytes in
                    guard let document = try? BSONDocument(copying: bytes.rawSpan) else { return bytes }
                    return document.with("x", 1).bytes
                }
            },
        ]
    }

    static var fences: [VectorRecipe] {
        [
            VectorRecipe("fences", .success, "[Y-2] a void snapshot and a void segment, condemned packs, suspects") {
                $0.hasFences = true
            }
        ]
    }

    private static func segment(
        _ folder: String, _ expectation: VectorCase.Expectation, _ text: String,
        _ change: @escaping (BSONDocument) -> BSONDocument
    ) -> VectorRecipe {
        layered(folder, expectation, text) { $0.segment = change }
    }

    /// Changes a field of the first element of `chunks` or `prelude`.
    private static func piece(
        _ array: String, _ field: String, _ change: @escaping (BSONValue) -> BSONValue
    ) -> (BSONDocument) -> BSONDocument {
        { document in
            guard case .array(let pieces)? = document[array], case .document(let first)? = pieces.first,
                let value = first[field]
            else { return document }
            return document.with(
                array, .array([.document(first.with(field, change(value)))] + Array(pieces.dropFirst())))
        }
    }

    private static func later(by seconds: Int) -> (BSONValue) -> BSONValue {
        { value in
            guard case .timestamp(var time) = value else { return value }
            time.t = UInt32(Int(time.t) + seconds)
            return .timestamp(time)
        }
    }

    static var segments: [VectorRecipe] {
        [
            VectorRecipe("segment-flipped", .damage, "[A-1] one bit of a segment") {
                var hooks = GoldenRepository.Hooks()
                hooks.hasLayers = true
                let golden = try GoldenRepository(hooks)
                let id = try golden.repository.segmentIDs()[0]
                try golden.store.mutate(Names.object(.segment, id)) { $0[80] ^= 4 }
                return golden.store
            },
            segment("segment-version", .unsupported, "[V-3] version 2") { $0.with("version", 2) },
            segment("segment-field", .damage, "[B-2] without the field `to`") { $0.with("to", nil) },
            segment("segment-extra", .success, "[B-3] with a field of a later minor version") { $0.with("later", 1) },
            segment("segment-beyond", .damage, "[S-2] it ends before its chunks do") { $0.with("to", $0["from"]) },
            segment("segment-sums", .damage, "[S-2] chunks that do not add up") { $0.with("entries", .int64(3)) },
            segment("segment-gap", .damage, "[S-6] a gap with entries") { $0.with("gap", "lost") },
            segment(
                "segment-prelude", .damage, "[S-2] a prelude that reaches in", piece("prelude", "l", later(by: 8))),
            segment("segment-last", .damage, "[S-2] a chunk that ends elsewhere", piece("chunks", "l", later(by: -1))),
            segment(
                "segment-chunk", .damage, "[S-1] a chunk with other entries",
                piece("chunks", "c") { _ in .binary(subtype: 0, [UInt8](repeating: 9, count: 32)) }),
            layered("segment-order", .damage, "[S-2] entries out of order") {
                $0.oplog = { $0.count == 2 ? [$0[1], $0[0]] : $0 }
            },
            layered("segment-time", .damage, "[S-2] an entry without `ts`") {
                $0.oplog = { $0.map { $0["o2"] == ["_id": 1_795_086_407] ? $0.with("ts", nil) : $0 } }
            },
        ]
    }
}
