internal import BSON
internal import Bytes
internal import Mongo

/// How far a replay has come, as a document on the target, so that an interrupted one goes on there.
///
///     cairn.restores
///     { _id: "<snapshot>@<t>:<i>", targets: [ string ], done: timestamp, deltas: [ int64 ] }
///
/// It appears when the base is restored, and is removed at the end.
struct ReplayRecord {
    /// What is kept.
    struct State: Equatable {
        /// The operations of all entries up to this one are applied.
        var done: Timestamp
        /// Documents inserted less those deleted, by target.
        var deltas: [Int]
    }

    static let namespace = Namespace("cairn", "restores")
    private let id: String
    /// The namespaces that are restored.
    private let targets: [String]
    private let client: MongoClient
    private let writer: DocumentWriter

    /// The record of restoring a snapshot and the operations up to `time`.
    init(snapshot: RandomID, time: Timestamp, targets: [String], client: MongoClient) throws {
        self.targets = targets
        id = "\(snapshot.hex)@\(time.t):\(time.i)"
        self.client = client
        writer = try DocumentWriter(client: client, writeConcern: ["w": "majority"])
    }

    /// What an earlier run left; nil when there is none.
    ///
    /// - Throws: `.usage` when that run restored other namespaces.
    func load() throws -> State? {
        guard let document = try client.document(id: .string(id), in: ReplayRecord.namespace) else { return nil }
        let place = "\(ReplayRecord.namespace) on the target"
        guard case .array(let list)? = document["deltas"] else {
            throw CairnError(.corrupt, "the progress of a restore has no deltas", object: place)
        }
        guard document["targets"] == names, list.count == targets.count else {
            throw CairnError(
                .usage,
                "an interrupted restore to this time was of other namespaces: run that one again to go on, or this one "
                    + "with --drop", object: place)
        }
        return State(
            done: try document.require("done", in: place),
            deltas: list.map { if case .int64(let delta) = $0 { Int(delta) } else { 0 } })
    }

    func save(_ state: State) throws {
        let document: BSONDocument = [
            "_id": .string(id), "targets": names, "done": .timestamp(state.done),
            "deltas": .array(state.deltas.map { .int64(Int64($0)) }),
        ]
        try writer.put(
            [DocumentWriter.Put(identity: try identity(), document: document.bytes)], in: ReplayRecord.namespace)
    }

    /// Removes it, and the collection when it was the last.
    func remove() throws {
        try writer.remove([try identity()], in: ReplayRecord.namespace)
        if try client.exactCount(ReplayRecord.namespace) == 0 {
            try CatalogueRestorer(client: client, writeConcern: ["w": "majority"]).drop(ReplayRecord.namespace)
        }
    }

    private var names: BSONValue { .array(targets.map(BSONValue.string)) }

    private func identity() throws -> [UInt8] {
        let document: BSONDocument = ["_id": .string(id)]
        return [UInt8](try DocumentIdentity.idBytes(of: document.bytes.rawSpan))
    }
}
