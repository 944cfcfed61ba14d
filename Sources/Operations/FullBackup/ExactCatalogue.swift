internal import BSON
internal import Bytes
internal import Glibc
internal import Mongo

/// The collections, views and indexes of a deployment as they were at one cluster time.
///
/// `listCollections` cannot be asked for a past time. Listing before and after the time is chosen, until both are
/// equal, gives the same: what did not change around the time was like that at the time.
struct ExactCatalogue {
    /// Sorted by namespace.
    let collections: [CollectionInfo]
    /// The time that the catalogue belongs to, and its election term; nil on a standalone server, which has none.
    let optime: OpTime?

    /// The time that the catalogue belongs to.
    var time: Timestamp? { optime?.timestamp }

    /// Listings before the job gives up: DDL would have to run without a pause.
    private static let listingsMax = 10
    /// How long a majority may take to acknowledge what the node has, in milliseconds: beyond, the set has no working
    /// majority.
    private static let majorityWaitMax = 60_000

    static func take(
        _ deployment: MongoDeployment, _ filter: NamespaceFilter, _ cancellation: Cancellation
    ) throws -> ExactCatalogue {
        var before = try Catalogue.list(deployment, filter: filter, connections: 4)
        guard deployment.server.setName != nil else { return ExactCatalogue(collections: before, optime: nil) }
        let client = try deployment.checkOut()
        for _ in 0..<listingsMax {
            try cancellation.check()
            let time = try majorityTime(coveringListing: client, cancellation)
            let after = try Catalogue.list(deployment, filter: filter, connections: 4, sizes: false)
            if describesSame(before, after) { return ExactCatalogue(collections: before, optime: time) }
            before = try Catalogue.list(deployment, filter: filter, connections: 4)
        }
        throw CairnError(
            .snapshotUnavailable,
            "collections or indexes were created or dropped during each of \(listingsMax) looks at the catalogue: "
                + "run the backup again "
                + "when the deployment is less busy with that, or leave the namespaces out")
    }

    /// A majority time at which everything that a listing just showed is committed: the listing reads the node's own
    /// newest state, which the majority may not have yet.
    private static func majorityTime(coveringListing client: MongoClient, _ cancellation: Cancellation) throws
        -> OpTime
    {
        let listed = try client.lastWrite().newest.timestamp
        for _ in stride(from: 0, to: majorityWaitMax, by: 10) {
            let majority = try client.lastWrite().majority
            if majority.timestamp >= listed { return majority }
            try cancellation.check()
            usleep(10_000)
        }
        throw CairnError(
            .unreachable,
            "the replica set did not commit its newest write on a majority of its members within "
                + "\(majorityWaitMax / 1_000) s: "
                + "check its members (rs.status())", object: client.host)
    }

    private static func describesSame(_ left: [CollectionInfo], _ right: [CollectionInfo]) -> Bool {
        func withoutEstimate(_ info: CollectionInfo) -> CollectionInfo {
            var info = info
            info.estimate = nil
            return info
        }
        return left.count == right.count && zip(left, right).allSatisfy { withoutEstimate($0) == withoutEstimate($1) }
    }
}
