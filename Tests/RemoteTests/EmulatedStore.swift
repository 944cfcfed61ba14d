import Bytes
import Foundation
import ObjectStore
import Synchronization
import TestSupport
import Testing

@testable import Remote

/// Containers of an emulator, and its control interface.
extension AzureEmulator {
    private static let containers = Atomic<Int>(0)

    /// An access with the account's key.
    func access() throws -> AzureAccess {
        try AzureAccess(
            account: Self.account, endpoint: endpoint,
            credential: .sharedKey(try SharedKey(account: Self.account, base64: Self.key)))
    }

    /// A store in a new container.
    func makeStore(
        prefix: String = "", exchange: HTTPExchange = HTTPExchange(), options: AzureBlobOptions = AzureBlobOptions()
    ) throws -> AzureBlobStore {
        let container = try makeContainer()
        let place = try AzureLocation("azblob://\(Self.account)/\(container)" + (prefix.isEmpty ? "" : "/" + prefix))
        return AzureBlobStore(place, access: try access(), exchange: exchange, options: options)
    }

    /// The name of a new container.
    func makeContainer() throws -> String {
        let container = "container-\(Self.containers.add(1, ordering: .relaxed).newValue)"
        let service = AzureBlobService(access: try access(), exchange: HTTPExchange())
        let request = AzureRequest(.put, container, query: [("restype", "container")])
        let (response, _) = try service.send(request, body: [UInt8]().rawSpan, into: Buffer(capacity: 0))
        try #require(response.status == 201)
        return container
    }

    /// Sends JSON to the control interface, and returns what it answers.
    @discardableResult
    func control(_ method: HTTPRequest.Method, _ route: String, _ json: String = "") throws -> [String: Any] {
        let answer = Buffer(capacity: 0)
        let body = Array(json.utf8)
        let response = try HTTPClient().send(
            HTTPRequest(method, "\(address)/_control/\(route)"), body: method == .get ? nil : body.rawSpan,
            into: answer)
        try #require(response.status == 200, "\(String(decoding: answer.array, as: UTF8.self))")
        return try #require(JSONSerialization.jsonObject(with: Data(answer.array)) as? [String: Any])
    }
}

/// An exchange that waits for nothing and notes how long it would have waited.
func impatient(_ waits: Waits = Waits(), tries: Int = 6) -> HTTPExchange {
    HTTPExchange(policy: RetryPolicy(triesMax: tries) { duration in waits.note(duration) })
}

/// What an exchange waited for.
final class Waits: Sendable {
    private let durations = Mutex<[Duration]>([])

    var all: [Duration] { durations.withLock { $0 } }
    func note(_ duration: Duration) { durations.withLock { $0.append(duration) } }
}

/// Numbers that threads leave.
final class Results: Sendable {
    private let numbers = Mutex<[Int]>([])

    var all: [Int] { numbers.withLock { $0 } }
    func note(_ number: Int) { numbers.withLock { $0.append(number) } }
}
