internal import BSON
internal import Bytes
internal import Synchronization

/// One life of one node, in which its record ids mean the same.
///
/// Record ids are not in the oplog. A node that crashed goes back to its last checkpoint and applies the oplog from
/// there in parallel, so the documents of the last minute get other record ids, and a position or cut in natural order
/// points somewhere else: documents would be read twice and others never (seen on MongoDB 6.0.5). A rollback does the
/// same. Hence the process and the rollback count.
struct NodeIdentity: Hashable, Sendable {
    let process: BSONValue?
    let rollbacks: Int?
}

extension MongoClient {
    /// Asks the pinned node. `hello` knows the process, `serverStatus` (in the role `backup`) the rollback count.
    private func askIdentity() throws -> NodeIdentity {
        let hello = try run(["hello": 1], db: "admin").document()
        let version = try hello.optional("topologyVersion", as: BSONDocument.self, in: "hello")
        let command: BSONDocument = [
            "serverStatus": 1, "repl": 1, "wiredTiger": 0, "metrics": 0, "tcmalloc": 0, "opcounters": 0, "network": 0,
            "locks": 0, "globalLock": 0, "opLatencies": 0, "transactions": 0, "flowControl": 0, "asserts": 0,
        ]
        do {
            let status = try run(command, db: "admin").document()
            let replication = try status.optional("repl", as: BSONDocument.self, in: "serverStatus")
            let rollbacks = try replication?.optional("rbid", as: Int.self, in: "serverStatus")
            return NodeIdentity(process: version?["processId"], rollbacks: rollbacks)
        } catch let error as CairnError where error.code == .privilege {
            return NodeIdentity(process: version?["processId"], rollbacks: nil)
        }
    }

    /// Remembers the node's life, for plans that are made from now on.
    func noteNodeIdentity() throws {
        let asked = try MongoClient.retrying { try askIdentity() }
        pool.identity.withLock { $0 = asked }
    }

    /// Makes sure that the pinned node still lives the life that a range was planned in.
    ///
    /// - Throws: `.snapshotUnavailable` when it does not: pin again, plan again, at a new time.
    func requireSameNode(as range: ScanRange) throws {
        guard let planned = range.node else { return }
        if try askIdentity() != planned {
            throw CairnError(
                .snapshotUnavailable,
                "\(host) was restarted or rolled back during the scan, which changes record ids: plan and read again "
                    + "at a new time.",
                object: range.namespace.description)
        }
    }
}
