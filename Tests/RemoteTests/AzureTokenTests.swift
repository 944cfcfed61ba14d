import Bytes
import Foundation
import ObjectStore
import TestSupport
import Testing

@testable import Remote

/// Tokens of identities, from fakes of the services that issue them, which check every field.
@Suite struct AzureTokenTests {
    private let emulator: AzureEmulator
    private let waits = Waits()
    private let tenant = "11111111-1111-1111-1111-111111111111"
    private let client = "22222222-2222-2222-2222-222222222222"
    private let secret = "fake~secret/with+signs=&%"

    init() throws {
        emulator = try AzureEmulator(["--imds", "--entra"])
    }

    /// Asks a fake's own control interface.
    @discardableResult
    private func control(_ fake: String, _ method: HTTPRequest.Method, _ route: String, _ json: String = "") throws
        -> [String: Any]
    {
        let address = try #require(emulator.fakes[fake])
        let answer = Buffer(capacity: 0)
        let body = Array(json.utf8)
        let response = try HTTPClient().send(
            HTTPRequest(method, "\(address)/_control/\(route)"), body: method == .get ? nil : body.rawSpan, into: answer
        )
        try #require(response.status == 200, "\(String(decoding: answer.array, as: UTF8.self))")
        return try #require(JSONSerialization.jsonObject(with: Data(answer.array)) as? [String: Any])
    }

    private func requests(_ fake: String) throws -> [[String: Any]] {
        try #require(try control(fake, .get, "requests")["log"] as? [[String: Any]])
    }

    private func settings(_ authentication: AzureSettings.Authentication) -> AzureSettings {
        var settings = AzureSettings()
        settings.authentication = authentication
        settings.endpoint = emulator.endpoint
        settings.metadataEndpoint = emulator.fakes["imds"]
        settings.authority = emulator.fakes["entra"].map { $0 + "/" }
        settings.tenant = tenant
        settings.clientID = client
        settings.clientSecret = SecretText(secret)
        return settings
    }

    private func store(_ settings: AzureSettings) throws -> AzureBlobStore {
        let exchange = impatient(waits, tries: 3)
        let container = try emulator.makeContainer()
        return AzureBlobStore(
            try AzureLocation("azblob://\(AzureEmulator.account)/\(container)"),
            access: try settings.access(account: AzureEmulator.account, exchange: exchange), exchange: exchange)
    }

    private func use(_ store: AzureBlobStore) throws { try store.list(prefix: "") { _ in } }

    @Test func managedIdentity() throws {
        try control("imds", .post, "settings", "{\"client_id\": \"\(client)\"}")
        let store = try store(settings(.managedIdentity))
        try use(store)
        try use(store)
        let log = try requests("imds")
        #expect(log.count == 1, "a token serves until shortly before its end")
        let query = log[0]["query"] as? [String: String]
        #expect(query == ["api-version": "2018-02-01", "resource": "https://storage.azure.com/", "client_id": client])
        // Busy, being updated, gone for a moment: asked again, and the store is none the wiser.
        for status in [429, 404, 410, 500] {
            try control("imds", .post, "answers", "[{\"status\": \(status), \"count\": 2}]")
            try use(try self.store(settings(.managedIdentity)))
        }
        #expect(waits.all.count == 8)
        try control("imds", .post, "settings", "{\"client_id\": \"33333333-3333-3333-3333-333333333333\"}")
        let error = expectError(.authentication) { try use(try self.store(settings(.managedIdentity))) }
        #expect(error?.description.contains("AZURE_CLIENT_ID") == true)
    }

    @Test func clientSecret() throws {
        try use(try store(settings(.clientSecret)))
        #expect(try requests("entra").count == 1)
        var wrong = settings(.clientSecret)
        wrong.clientSecret = SecretText("wrong-and-unsaid")
        let error = expectError(.authentication) { try use(try store(wrong)) }
        #expect(error?.description.contains("AADSTS7000215") == true)
        #expect(error?.description.contains("wrong-and-unsaid") == false)
        var nowhere = settings(.clientSecret)
        nowhere.tenant = "44444444-4444-4444-4444-444444444444"
        let lost = expectError(.authentication) { try use(try store(nowhere)) }
        #expect(lost?.description.contains("AADSTS90002") == true)
    }

    /// Kubernetes replaces the file about hourly: each token is asked for with what is in it then, and before the last
    /// one ends.
    @Test func federatedTokensAreReadAnew() throws {
        let folder = try TemporaryDirectory()
        let file = folder.path + "/token"
        try Data("first\n".utf8).write(to: URL(fileURLWithPath: file))
        try control("entra", .post, "settings", "{\"assertions\": [\"first\"], \"expires_in\": 3600}")
        var settings = settings(.workloadIdentity)
        settings.federatedTokenFile = file
        let now = Waits()
        let exchange = impatient(waits, tries: 3)
        let issuer = ClientCredentials(
            exchange: exchange, authority: emulator.fakes["entra"] ?? "", tenant: tenant, clientID: client,
            proof: .federatedTokenFile(file))
        let begun = Int64(Date().timeIntervalSince1970)
        let source = TokenSource(issuer) { begun + now.all.reduce(.zero, +).components.seconds }
        let first = try source.token()
        try Data("second".utf8).write(to: URL(fileURLWithPath: file))
        try control("entra", .post, "settings", "{\"assertions\": [\"second\"]}")
        now.note(.seconds(3290))
        #expect(try source.token() == first)
        now.note(.seconds(20))
        let second = try source.token()
        #expect(second != first, "renewed five minutes before its end")
        let bodies = try requests("entra").compactMap { $0["body"] as? String }
        #expect(
            bodies.map { $0.contains("client_assertion=first&") || $0.hasSuffix("client_assertion=first") }
                == [true, false])
        try FileManager.default.removeItem(atPath: file)
        let error = expectError(.authentication) { try use(try store(settings)) }
        #expect(error?.object == file)
    }

    /// What the service refuses before its time is renewed once, and no more often.
    @Test func aRefusedTokenIsRenewedOnce() throws {
        let store = try store(settings(.clientSecret))
        try use(store)
        for (status, code) in [(401, "InvalidAuthenticationInfo"), (403, "AuthenticationFailed")] {
            let before = try requests("entra").count
            try emulator.control(.post, "faults", "[{\"status\": \(status), \"code\": \"\(code)\"}]")
            try use(store)
            #expect(try requests("entra").count == before + 1)
        }
        // By the service's clock the token has ended; by this machine's it has not.
        try emulator.control(.post, "clock", "{\"advance\": 7200}")
        try use(store)
        let before = try requests("entra").count
        try emulator.control(.post, "faults", "[{\"status\": 401, \"count\": null}]")
        expectError(.authentication) { try use(store) }
        #expect(try requests("entra").count == before + 1)
    }

    /// An outage of the identity service does no harm as long as the old token lasts.
    @Test func theOldTokenServesWhileThereIsNoNewOne() throws {
        let now = Waits()
        let begun = Int64(Date().timeIntervalSince1970)
        let issuer = ManagedIdentity(
            exchange: impatient(waits, tries: 2), endpoint: emulator.fakes["imds"] ?? "", clientID: nil)
        try control("imds", .post, "settings", "{\"expires_in\": 3600}")
        let source = TokenSource(issuer) { begun + now.all.reduce(.zero, +).components.seconds }
        let first = try source.token()
        try control("imds", .post, "answers", "[{\"status\": 503, \"count\": 4}]")
        now.note(.seconds(3400))
        #expect(try source.token() == first)
        now.note(.seconds(300))
        expectError(.unreachable) { _ = try source.token() }
        let second = try source.token()
        #expect(second != first)
    }

    /// What has ended is said as such, and there is nothing to renew.
    @Test func aSignatureThatHasEnded() throws {
        var settings = AzureSettings()
        settings.endpoint = emulator.endpoint
        let signature = "?sv=2022-11-02&ss=b&srt=co&sp=rl&se=2020-01-01T00%3A00%3A00Z&sig=c2VjcmV0LXNpZ25hdHVyZQ%3D%3D"
        settings.sharedAccessSignature = SecretText(signature)
        let store = try store(settings)
        let error = expectError(.authentication) { try use(store) }
        #expect(error?.description.contains("not expired") == true && error?.description.contains("sig=") == false)
        #expect(waits.all.isEmpty)
    }
}
