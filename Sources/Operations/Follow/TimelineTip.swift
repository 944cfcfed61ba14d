internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// Where the saved history of a replica set ends at present.
enum TimelineTip {
    /// The end of the newest segment of the set, else the time of its newest snapshot.
    ///
    /// A damaged segment counts as not there: `check` reports it, and what it held is read again if it still can.
    ///
    /// - Throws: `.usage` when the repository has nothing of the set; what the server throws.
    static func find(of set: String, in repository: Repository, _ reader: OplogReader) throws -> OpTime {
        let segments = try repository.segments(damaged: { _, _ in }).filter { $0.set == set }
        if let newest = segments.map(\.to).max(by: { $0.timestamp < $1.timestamp }) { return newest }
        let snapshots = try repository.snapshots(damaged: { _, _ in }).filter { $0.source.set == set && $0.exact }
        guard let snapshot = snapshots.max(by: { $0.at < $1.at }) else {
            throw CairnError(
                .usage,
                "the repository has no exact snapshot of the replica set \(set) that the oplog could continue: run "
                    + "`cairn backup full` first")
        }
        if let known = snapshot.optime { return known }
        // Without a term, which early snapshots lack, an entry that is gone is a gap like any other.
        return try reader.opTime(at: snapshot.at) ?? OpTime(timestamp: snapshot.at, term: -1)
    }
}
