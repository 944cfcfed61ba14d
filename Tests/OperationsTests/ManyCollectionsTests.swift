import BSON
import Bytes
import Foundation
import TestSupport
import Testing

@testable import Operations

/// Small collections by the thousand. CAIRN_MANY_COLLECTIONS sets the number; the goal of 10,000 in a minute is for the
/// release binary.
@Suite(.enabled(if: Rig.isAvailable, .init(rawValue: Rig.absence)))
struct ManyCollectionsTests {
    private static let count =
        ProcessInfo.processInfo.environment["CAIRN_MANY_COLLECTIONS"].flatMap { Int($0) } ?? 1_000

    @Test func oneDocumentEach() throws {
        // A backup saves the oplog of all namespaces: what other tests write would count as added.
        let server = try ThrowawayServer()
        let rig = try Rig(source: server.uri)
        let db = Rig.database()
        let source = try rig.sourceClient()
        for number in 0..<Self.count {
            try source.run(["insert": .string("c\(number)"), "documents": [["_id": BSONValue(number)]]], db: db)
        }
        let backup = try rig.backup(["\(db).*"])
        #expect(backup.namespaces == Self.count && backup.documents == Self.count)
        let again = try rig.backup(["\(db).*"])
        #expect(again.addedBytes < 4_000, "\(again.addedBytes) bytes added")
        let report = try rig.restore { $0.verify = true }
        #expect(report.documents == Self.count && report.verification == .documents && report.failures.isEmpty)
        #expect(try rig.differences([db]).isEmpty)
        print(
            "\(Self.count) collections: backup \(backup.seconds) s, again \(again.seconds) s, restore "
                + "\(report.seconds) s"
        )
        try rig.targetClient().run(["dropDatabase": 1], db: db)
        try source.run(["dropDatabase": 1], db: db)
    }
}
