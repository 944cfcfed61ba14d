import Bytes
import Foundation
import ObjectStore
import TestSupport
import Testing

@testable import Remote

/// The Atlas administration API, against a fake that checks every field: the credentials, the versions, the bodies.
@Suite struct AtlasTests {
    private let fake: AtlasFake

    init() throws { fake = try AtlasFake() }

    private enum Account: CaseIterable {
        case serviceAccount
        case keyPair
    }

    private func settings(_ account: Account = .serviceAccount, cluster: String = "Cluster0") -> AtlasSettings {
        var settings = AtlasSettings()
        settings.endpoint = fake.address
        settings.project = AtlasFake.project
        settings.cluster = cluster
        switch account {
        case .serviceAccount:
            settings.clientID = AtlasFake.clientID
            settings.clientSecret = SecretText(AtlasFake.clientSecret)
        case .keyPair:
            settings.publicKey = AtlasFake.publicKey
            settings.privateKey = SecretText(AtlasFake.privateKey)
        }
        return settings
    }

    private func backups(
        _ account: Account = .serviceAccount, cluster: String = "Cluster0", waits: Waits = Waits()
    ) throws -> AtlasBackups {
        try AtlasBackups(settings(account, cluster: cluster), exchange: impatient(waits))
    }

    private func complete(_ backups: AtlasBackups, _ description: String = "before the migration") throws
        -> AtlasSnapshot
    {
        var snapshot = try backups.take(description: description, retentionDays: 3)
        while !snapshot.isCompleted, !snapshot.hasFailed { snapshot = try backups.look(at: snapshot) }
        return snapshot
    }

    @Test(arguments: Account.allCases)
    private func aSnapshotIsTakenAndFound(account: Account) throws {
        let backups = try backups(account)
        let cluster = try backups.cluster()
        #expect(cluster.name == "Cluster0" && cluster.backupEnabled == true && !cluster.isSharded)
        let begun = try backups.take(description: "vor der Änderung \"7\"", retentionDays: 3)
        #expect(begun.status == "queued" && begun.isOnDemand)
        #expect(try backups.look(at: begun).status == "inProgress")
        let ended = try backups.look(at: begun)
        #expect(ended.isCompleted && ended.id == begun.id && ended.description == "vor der Änderung \"7\"")
        #expect(try backups.snapshots(of: cluster).map(\.id) == [begun.id])
        let sent = try fake.requests().last { $0.method == "POST" && $0.path.hasSuffix("snapshots") }
        let body = try JSONSerialization.jsonObject(with: Data(try #require(sent).body.utf8)) as? [String: Any]
        #expect(body?["retentionInDays"] as? Int == 3 && body?.count == 2)
    }

    @Test func listsHavePages() throws {
        let backups = try backups()
        let ids = try (0..<5).map { try complete(backups, "\($0)").id }
        try fake.set("{\"page_max\": 2}")
        #expect(Set(try backups.snapshots(of: backups.cluster()).map(\.id)) == Set(ids))
        #expect(try fake.requests().count { $0.method == "GET" && $0.path.hasSuffix("/backup/snapshots") } == 3)
    }

    @Test func shardedClustersHaveResourcesOfTheirOwn() throws {
        try fake.set("{\"sharded\": [\"Cluster1\"]}")
        let backups = try backups(cluster: "Cluster1")
        let snapshot = try complete(backups)
        #expect(snapshot.type == "shardedCluster")
        #expect(try backups.snapshots(of: backups.cluster()).map(\.id) == [snapshot.id])
    }

    @Test func restoresOfEveryKind() throws {
        let backups = try backups(.keyPair)
        let snapshot = try complete(backups)
        let target = AtlasTarget(cluster: "Cluster1")
        let kinds: [AtlasRestore] = [
            .snapshot(id: snapshot.id, to: target), .second(1_700_000_000, to: target),
            .operation(seconds: 1_700_000_000, increment: 7, to: target), .download(id: snapshot.id),
        ]
        for kind in kinds {
            var job = try backups.restore(kind)
            #expect(job.state == .inProgress)
            while job.state == .inProgress { job = try backups.look(at: job) }
            #expect(job.state == .completed)
            #expect((job.deliveryType == "download") == (job.deliveryUrl?.count == 1))
            #expect((job.targetGroupId == AtlasFake.project) == (job.deliveryType != "download"))
        }
        let jobs = try backups.restoreJobs()
        #expect(jobs.count == 4 && jobs.contains { $0.oplogTs == 1_700_000_000 && $0.oplogInc == 7 })
        let away = AtlasTarget(cluster: "Cluster1", project: "fedcba987654321001234567")
        #expect(try backups.restore(.snapshot(id: snapshot.id, to: away)).targetGroupId == away.project)
        #expect(throws: CairnError.self) { try backups.restore(.download(id: "../clusters")) }
    }

    @Test func schedulesAndPolicies() throws {
        let backups = try backups()
        let schedule = try backups.schedule()
        #expect(schedule.items.map(\.frequencyType) == ["daily"] && schedule.restoreWindowDays == 7)
        let policy = try #require(try backups.compliance())
        #expect(policy.state == "ACTIVE" && policy.onDemandPolicyItem?.retentionValue == 7)
        #expect(policy.scheduled.count == 1 && policy.copyProtectionEnabled == true)
        try fake.set("{\"compliance_policy\": {}}")
        #expect(try backups.compliance() == nil)
    }

    @Test func tokensAreSharedAndRenewed() throws {
        let backups = try backups()
        for _ in 0..<3 { _ = try backups.cluster() }
        #expect(try fake.requests().count { $0.path == "/api/oauth/token" } == 1)
        // The fake's token ends before this machine's clock says so: refused, and replaced.
        try fake.advance(seconds: 3_700)
        _ = try backups.cluster()
        #expect(try fake.requests().count { $0.path == "/api/oauth/token" } == 2)
        #expect(try fake.requests().map(\.status) == [200, 200, 200, 200, 401, 200, 200])
    }

    @Test func theRateLimitIsRespected() throws {
        let waits = Waits()
        let backups = try backups(waits: waits)
        try fake.answer(
            """
            [{"status": 429, "method": "POST", "path": "snapshots$", "retry_after": 55, "body": {"error": 429, \
            "errorCode": "RATE_LIMITED_TOKEN_BUCKET", "detail": "Please retry after 55 seconds."}},
             {"status": 429, "method": "GET", "path": "Cluster0$", "count": 2}]
            """)
        // What is refused for its rate was not done: it is sent again although it is no request to send twice.
        _ = try backups.take(description: "x", retentionDays: 1)
        #expect(waits.all == [.seconds(55)])
        _ = try backups.cluster()
        #expect(waits.all.count == 3 && waits.all[1...].allSatisfy { $0 > .zero && $0 < .seconds(2) })
        try fake.answer("[{\"status\": 429, \"path\": \"Cluster0$\", \"count\": 100}]")
        let error = try #require(throws: CairnError.self) { try backups.cluster() }
        #expect(error.code == .unreachable && error.message.contains("too many requests"))
    }

    @Test func whatMustNotBeDoneTwiceIsSentOnce() throws {
        let backups = try backups(.keyPair)
        let snapshot = try complete(backups)
        try fake.answer("[{\"status\": 503, \"method\": \"POST\", \"path\": \"restoreJobs$\", \"after\": true}]")
        let error = try #require(throws: CairnError.self) {
            try backups.restore(.snapshot(id: snapshot.id, to: AtlasTarget(cluster: "Cluster1")))
        }
        #expect(error.code == .unreachable && error.message.contains("is not known"))
        #expect(try backups.restoreJobs().count == 1)
        try fake.answer("[{\"status\": 503, \"method\": \"GET\", \"path\": \"Cluster0$\", \"count\": 3}]")
        #expect(try backups.cluster().name == "Cluster0")
    }
}

/// What goes wrong, and what is said of it.
extension AtlasTests {
    @Test func errorsSayWhatToDo() throws {
        let expected: [(status: Int, errorCode: String, code: CairnError.Code, words: String)] = [
            (401, "UNAUTHORIZED", .authentication, "was refused"),
            (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", .privilege, "API access list"),
            (403, "USER_UNAUTHORIZED", .privilege, "Project Backup Manager"),
            (404, "GROUP_NOT_FOUND", .notFound, "atlas.project-id"),
            (404, "CLUSTER_NOT_FOUND", .notFound, "case-sensitive"),
            (404, "BACKUP_CONFIG_NOT_FOUND", .notFound, "switch cloud backup on"),
            (406, "INVALID_VERSION_DATE", .server, "newer cairn"),
            (409, "ATLAS_CLUSTER_RESTORE_IN_PROGRESS", .held, "restored already"),
            (409, "OTHER", .held, "something else goes on"),
            (400, "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API", .usage, "M10"),
            (400, "BACKUP_POLICIES_NOT_MEETING_BACKUP_COMPLIANCE_POLICY_REQUIREMENTS", .usage, "compliance policy"),
            (400, "INVALID_ATTRIBUTE", .usage, "does not accept"),
            (418, "TEAPOT", .server, "refused"),
        ]
        let backups = try backups(.keyPair)
        for (status, errorCode, code, words) in expected {
            let detail = "Sentence of \(errorCode)."
            try fake.answer(
                """
                [{"status": \(status), "body": {"error": \(status), "errorCode": "\(errorCode)", \
                "detail": "\(detail)", "reason": "x", "parameters": []}}]
                """)
            let error = try #require(throws: CairnError.self) { try backups.cluster() }
            #expect(error.code == code && error.message.contains(words), "\(error)")
            #expect(error.message.contains(errorCode) && error.message.contains(detail), "\(error)")
            #expect(error.object?.contains("clusters/Cluster0") == true)
        }
        // An identity service that is away is no wrong secret.
        try fake.answer("[{\"status\": 502, \"path\": \"token\", \"count\": 100}]")
        let error = try #require(throws: CairnError.self) { try self.backups(.serviceAccount).cluster() }
        #expect(error.code == .unreachable, "\(error)")
    }

    @Test(arguments: Account.allCases)
    private func wrongSecretsAreRefusedAndNotShown(account: Account) throws {
        var settings = self.settings(account)
        settings.clientSecret = settings.clientSecret.map { _ in SecretText("a-wrong-secret") }
        settings.privateKey = settings.privateKey.map { _ in SecretText("a-wrong-secret") }
        let backups = try AtlasBackups(settings, exchange: impatient())
        let error = try #require(throws: CairnError.self) { try backups.cluster() }
        #expect(error.code == .authentication, "\(error)")
        #expect(!"\(error)\(settings)".contains("a-wrong-secret"))
        let encoded = Data("\(AtlasFake.clientID):a-wrong-secret".utf8).base64EncodedString()
        #expect(!"\(error)".contains(encoded))
    }

    @Test func settingsAreChecked() throws {
        func check(_ word: String, _ change: (inout AtlasSettings) -> Void) throws {
            var settings = self.settings()
            change(&settings)
            let error = try #require(throws: CairnError.self) { try AtlasBackups(settings, exchange: impatient()) }
            #expect(error.code == .usage && "\(error)".contains(word), "\(error)")
        }
        try check("atlas.project-id") { $0.project = nil }
        try check("24 hexadecimal digits") { $0.project = "0123" }
        try check("24 hexadecimal digits") { $0.project = "../../../../../../orgs/1" }
        try check("atlas.cluster") { $0.cluster = nil }
        try check("CAIRN_ATLAS_CLIENT_SECRET") { $0.clientSecret = nil }
        try check("CAIRN_ATLAS_CLIENT_ID") { $0.clientID = nil }
        try check("CAIRN_ATLAS_PUBLIC_KEY") { ($0.clientID, $0.clientSecret) = (nil, nil) }
        try check("CAIRN_ATLAS_PRIVATE_KEY") { ($0.clientID, $0.clientSecret, $0.publicKey) = (nil, nil, "x") }
        // A secret never goes over a network unencrypted.
        for endpoint in [
            "http://cloud.mongodb.com", "cloud.mongodb.com", "https://x/y", "https://a:b@x", "ftp://x", "",
        ] {
            try check("https://cloud.mongodb.com") { $0.endpoint = endpoint }
        }
        var settings = self.settings()
        settings.endpoint = "https://cloud.mongodb.com/"
        #expect(try settings.address() == "https://cloud.mongodb.com")
    }

    @Test func namesAreEncoded() throws {
        let backups = try backups(cluster: "a/b?c")
        let error = try #require(throws: CairnError.self) { try backups.cluster() }
        #expect(error.code == .notFound && error.object?.contains("clusters/a%2Fb%3Fc") == true, "\(error)")
    }
}
