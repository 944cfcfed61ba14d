import Bytes
import Foundation

/// A version of an API resource: Atlas versions each on its own, keeps a version for a year after the next, and wants
/// it named in every request.
///
/// Source: *Versioned Atlas Administration API Overview*, and the resources of *Atlas Administration API v2*.
enum AtlasVersion: String {
    /// Snapshots and restore jobs.
    case backups = "2023-01-01"
    /// The backup compliance policy; the version before has ended.
    case compliance = "2023-10-01"
    /// Clusters and backup schedules; the versions of clusters before have ended.
    case clusters = "2024-08-05"

    var mediaType: String { "application/vnd.atlas.\(rawValue)+json" }
}

/// JSON requests to the Atlas administration API: authenticated, and tried again while that can help.
struct AtlasAPI: Sendable {
    let endpoint: String
    let credential: AtlasCredential
    let exchange: HTTPExchange

    private static let bodyMax = 16 << 20

    /// Reads a resource.
    func get<Answer: Decodable>(_ path: String, query: String = "", _ version: AtlasVersion) throws -> Answer {
        let request = HTTPRequest(.get, url(path) + (query.isEmpty ? "" : "?\(query)"))
        return try send(request, body: nil, version, resource: path)
    }

    /// Makes something. Not sent again when it is not known whether it was done: the error is `.unreachable` then.
    func post<Answer: Decodable>(_ path: String, _ body: some Encodable, _ version: AtlasVersion) throws -> Answer {
        var request = HTTPRequest(.post, url(path))
        request.isRepeatable = false
        request.headers["Content-Type"] = version.mediaType
        return try send(request, body: Array(try JSONEncoder().encode(body)), version, resource: path)
    }

    private func url(_ path: String) -> String { "\(endpoint)/api/atlas/v2/\(path)" }

    private func send<Answer: Decodable>(
        _ request: HTTPRequest, body: [UInt8]?, _ version: AtlasVersion, resource: String
    ) throws -> Answer {
        var request = request
        request.headers["Accept"] = version.mediaType
        let buffer = Buffer(capacity: 4096)
        var response = try attempt(request, body, into: buffer)
        // A token can be withdrawn, and a clock be wrong about its end: once more with a new one.
        if response.response.status == 401, case .serviceAccount(let source) = credential, let token = response.token {
            source.discard(token)
            buffer.truncate(to: 0)
            response = try attempt(request, body, into: buffer)
        }
        guard response.response.isSuccess else {
            throw AtlasFailure.error(response.response, Data(buffer.array), resource, credential)
        }
        do {
            return try JSONDecoder().decode(Answer.self, from: Data(buffer.array))
        } catch {
            throw CairnError(
                .server, "the answer of Atlas is not what version \(version.rawValue) of its API says",
                object: resource, underlying: error)
        }
    }

    private func attempt(
        _ request: HTTPRequest, _ body: [UInt8]?, into buffer: Buffer
    ) throws -> (response: HTTPResponse, token: String?) {
        var request = request
        var token: String?
        switch credential {
        case .keyPair(let pair): request.digestCredentials = pair
        case .serviceAccount(let source):
            token = try source.token()
            request.headers["Authorization"] = "Bearer \(token ?? "")"
        }
        let response =
            try body.map { try exchange.send(request, body: $0.rawSpan, into: buffer, bodyMax: Self.bodyMax) }
            ?? exchange.send(request, into: buffer, bodyMax: Self.bodyMax)
        return (response, token)
    }
}

/// A page of a listing.
private struct AtlasPage<Item: Decodable>: Decodable {
    struct Link: Decodable { let rel: String }
    let results: [Item]
    let links: [Link]?
}

extension AtlasAPI {
    /// The most that Atlas puts on a page.
    private static let pageSize = 500

    /// All items of a listing, over as many pages as it has.
    func list<Item: Decodable>(_ path: String, _ version: AtlasVersion) throws -> [Item] {
        var items: [Item] = []
        for number in 1... {
            let page: AtlasPage<Item> = try get(
                path, query: "itemsPerPage=\(Self.pageSize)&pageNum=\(number)", version)
            items += page.results
            // An empty page ends it too: a listing from which things vanish may promise one more than it has.
            guard !page.results.isEmpty, page.links?.contains(where: { $0.rel == "next" }) == true else { break }
        }
        return items
    }
}
