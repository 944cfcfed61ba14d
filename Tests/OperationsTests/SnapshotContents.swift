import Archive
import BSON
import Bytes
import TestSupport

@testable import Operations

/// What a snapshot holds, put together by the test itself from leaves, runs and removals: live documents by namespace.
struct SnapshotContents {
    let snapshot: Snapshot
    /// Live documents by namespace, in no order.
    private(set) var documents: [String: [[UInt8]: BSONDocument]] = [:]
    private(set) var entries: [String: CatalogueEntry] = [:]
    /// Documents of entries without runs, in stored order.
    private(set) var rows: [String: [BSONDocument]] = [:]
    /// What contradicts itself.
    private(set) var faults: [String] = []

    init(_ rig: Rig, _ id: RandomID) throws {
        let repository = try rig.access.open()
        let chunks = try repository.loadIndex()
        snapshot = try repository.snapshot(id)
        let source = SnapshotReader(repository: repository, chunks: chunks, snapshot: snapshot)
        let reader = source.makeChunkReader()
        var found: [CatalogueEntry] = []
        try source.forEachEntry { found.append($0) }
        for entry in found {
            entries[entry.namespace] = entry
            let table = try LayerTable(entry.runs, reader: reader)
            var live: [[UInt8]: BSONDocument] = [:]
            var cursor = source.layers(of: entry)
            let buffer = Buffer(capacity: 0)
            while let (leaf, layer) = try cursor.next() {
                buffer.removeAll()
                try reader.read(leaf.chunk, type: .documents, into: buffer)
                try DocumentBatch.forEachDocument(inChunk: buffer.bytes) { document in
                    let identity = try DocumentIdentity.idBytes(of: document)
                    guard table.isLive(identity, layer: layer) else { return }
                    if entry.runs.isEmpty {
                        rows[entry.namespace, default: []].append(try BSONDocument(copying: document))
                    }
                    if live.updateValue(try BSONDocument(copying: document), forKey: [UInt8](identity)) != nil {
                        faults.append("\(entry.namespace): a document is live twice")
                    }
                }
            }
            documents[entry.namespace] = live
            if live.count != entry.liveDocuments {
                faults.append("\(entry.namespace): \(live.count) documents, its entry says \(entry.liveDocuments)")
            }
        }
    }

    /// How the databases differ from what the server shows by a read at the snapshot's time; empty when they do not.
    /// Definitions are compared with those of now, so nobody may change them any more.
    func differences(_ client: WireClient, _ databases: [String]) throws -> [String] {
        var differences = faults
        for db in databases {
            var seen: Set<String> = []
            for info in try client.documents(of: ["listCollections": 1], db: db) {
                let name: String = try info.require("name", in: "listCollections")
                let options: BSONDocument = try info.require("options", in: "listCollections")
                let type: String = try info.require("type", in: "listCollections")
                if name == "system.views" || name.hasPrefix("system.buckets.") { continue }
                seen.insert("\(db).\(name)")
                guard let entry = entries["\(db).\(name)"] else {
                    differences.append("\(db).\(name) is missing")
                    continue
                }
                if entry.options != options { differences.append("\(db).\(name): \(entry.options), not \(options)") }
                guard type != "view" else { continue }
                let data = type == "timeseries" ? "system.buckets.\(name)" : name
                differences += try compare(client, db, data, entry, isCapped: options["capped"] == .bool(true))
            }
            let extra = entries.keys.filter { $0.hasPrefix("\(db).") && !seen.contains($0) }
            differences += extra.map { "\($0) is in the snapshot only" }
        }
        return differences
    }

    private func compare(
        _ client: WireClient, _ db: String, _ collection: String, _ entry: CatalogueEntry, isCapped: Bool
    ) throws -> [String] {
        var find: BSONDocument = ["find": .string(collection)]
        if isCapped {
            // Capped collections cannot be read at a past time: nobody may write to them any more.
            let expected = try client.documents(of: find, db: db)
            let held = rows[entry.namespace] ?? []
            return held == expected ? [] : ["\(entry.namespace): \(held.count) rows, not \(expected.count), or others"]
        }
        do {
            find = [
                "find": .string(collection),
                "readConcern": ["level": "snapshot", "atClusterTime": .timestamp(snapshot.at)],
            ]
        }
        var expected: [[UInt8]: BSONDocument] = [:]
        for document in try client.documents(of: find, db: db) {
            expected[[UInt8](try DocumentIdentity.idBytes(of: document.bytes.rawSpan))] = document
        }
        let held = documents[entry.namespace] ?? [:]
        if held == expected { return [] }
        let missing = expected.filter { held[$0.key] == nil }.count
        let extra = held.filter { expected[$0.key] == nil }.count
        let other = held.filter { expected[$0.key] != nil && expected[$0.key] != $0.value }.count
        return ["\(entry.namespace): \(missing) missing, \(extra) too many, \(other) differ of \(expected.count)"]
    }
}
