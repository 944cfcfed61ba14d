internal import BSON
internal import Bytes
internal import Glibc
internal import Mongo

/// The collections, views and indexes of a deployment as they were at one cluster time.
///
/// `listCollections` cannot be asked for a past time. So it is asked around the time, and the oplog must know of no
/// change between the beginning of the first listing and the time: what was made and dropped again between the listings
/// would be in neither, and the snapshot would lack it. Both listings must be equal besides, for what transactions of
/// several oplog entries define.
struct ExactCatalogue {
    /// Sorted by namespace.
    let collections: [CollectionInfo]
    /// The time that the catalogue belongs to, and its election term; nil on a standalone server, which has none.
    let optime: OpTime?

    /// The time that the catalogue belongs to.
    var time: Timestamp? { optime?.timestamp }

    /// How long definitions may change without a pause that a look fits into, before the job gives up.
    private static let patience = Duration.seconds(60)
    /// How long a majority may take to acknowledge what the node has, in milliseconds: beyond, the set has no working
    /// majority.
    private static let majorityWaitMax = 60_000

    static func take(
        _ deployment: MongoDeployment, _ filter: NamespaceFilter, _ cancellation: Cancellation
    ) throws -> ExactCatalogue {
        guard deployment.server.setName != nil else {
            let listed = try Catalogue.list(deployment, filter: filter, connections: 4)
            return ExactCatalogue(collections: listed, optime: nil)
        }
        let client = try deployment.checkOut()
        var start = try client.lastWrite().majority.timestamp
        var before = try Catalogue.list(deployment, filter: filter, connections: 4)
        let deadline = ContinuousClock.now + patience
        repeat {
            try cancellation.check()
            let time = try majorityTime(coveringListing: client, cancellation)
            let after = try Catalogue.list(deployment, filter: filter, connections: 4, sizes: false)
            if describesSame(before, after),
                try !client.definitionsChanged(after: start, through: time.timestamp, filter)
            {
                return ExactCatalogue(collections: before, optime: time)
            }
            start = try max(time.timestamp, client.lastWrite().majority.timestamp)
            before = try Catalogue.list(deployment, filter: filter, connections: 4)
        } while ContinuousClock.now < deadline
        throw CairnError(
            .snapshotUnavailable,
            "collections or indexes were created or dropped during each look at the catalogue for "
                + "\(patience.components.seconds) s: run the backup again when the deployment is less busy with that, "
                + "or leave the namespaces out")
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
