import Bytes
import Foundation
public import ObjectStore

/// What blobs are made as.
public struct AzureBlobOptions: Sendable {
    /// Where the packs lie. Everything else stays in the hot tier: it is small, and read by every operation.
    public enum Tier: String, Sendable, CaseIterable {
        case hot = "Hot"
        case cool = "Cool"
        case cold = "Cold"
        case archive = "Archive"
    }

    /// The tier of packs; nil leaves it to the account.
    public var tier: Tier?
    /// For how many seconds nobody can change or delete a pack or a snapshot once it is put; nil for no such time. The
    /// container must have version-level immutability.
    public var immutableFor: Int64?
    /// The largest object that goes up in one request. One request is one charge, but a broken one begins anew.
    public var singleRequestMax = 256 << 20
    /// The size of the parts of a larger object.
    public var blockSize = 64 << 20

    /// The account's tier, nothing immutable.
    public init() {}
}

/// A repository in a container of Azure Blob Storage: one block blob an object.
///
/// Objects are durable when the service has said so; put-if-absent is `If-None-Match: *`. The service checks an MD5 of
/// all that is sent, and keeps it with the blob, where `get` checks it.
public final class AzureBlobStore: ObjectStore {
    let place: AzureLocation
    let service: AzureBlobService
    let options: AzureBlobOptions

    /// The location as the user wrote it.
    public var location: String { place.description }
    /// Enough for a line with a round trip of 50 ms to be full of packs.
    public var parallelism: Int { 4 }

    /// A store over a container that exists; nothing is asked of the service yet.
    public init(
        _ place: AzureLocation, access: AzureAccess, exchange: HTTPExchange = HTTPExchange(),
        options: AzureBlobOptions = AzureBlobOptions()
    ) {
        self.place = place
        service = AzureBlobService(access: access, exchange: exchange)
        self.options = options
    }

    /// As `ObjectStore` asks.
    public func stat(_ name: ObjectName) throws -> ObjectInfo? {
        guard let properties = try properties(name) else { return nil }
        guard let size = properties["Content-Length"].flatMap({ Int($0) }),
            let modified = properties["Last-Modified"].flatMap({ HTTPDate.seconds($0) })
        else {
            throw CairnError(.server, "the service does not say how large the blob is", object: resource(name))
        }
        return ObjectInfo(name: name, size: size, modified: modified)
    }

    /// As `ObjectStore` asks. With soft delete the service keeps the bytes, and charges for them, as long as its policy
    /// says.
    public func delete(_ name: ObjectName) throws {
        var request = request(.delete, name)
        request.headers["x-ms-delete-snapshots"] = "include"
        let (response, _) = try service.send(request, into: Buffer(capacity: 1024), bodyMax: 1 << 20)
        guard response.isSuccess || AzureFailure.code(response) == "BlobNotFound" else { throw failure(response, name) }
    }

    /// As `ObjectStore` asks. A legal hold has no end.
    public func retention(of name: ObjectName) throws -> Int64? {
        try properties(name)?["x-ms-immutability-policy-until-date"].flatMap { HTTPDate.seconds($0) }
    }

    /// A blob is there only once it is durable.
    public func settle(_ names: [ObjectName]) throws {}

    /// Makes the container where it is missing.
    ///
    /// Somebody who may not make containers may still use one that is there: what comes next tells.
    public func makeContainer() throws {
        let request = AzureRequest(.put, place.container, query: [("restype", "container")])
        let (response, _) = try service.send(
            request, body: RawSpan(), into: Buffer(capacity: 1024), bodyMax: 1 << 20)
        guard !response.isSuccess, AzureFailure.code(response) != "ContainerAlreadyExists" else { return }
        let failure = AzureFailure.error(response, location, service.access.credential)
        if failure.code != .privilege { throw failure }
    }

    /// What the service knows of a blob; nil when there is none.
    func properties(_ name: ObjectName) throws -> HTTPHeaders? {
        let (response, _) = try service.send(request(.head, name), into: Buffer(capacity: 64), bodyMax: 1 << 20)
        // The answer to HEAD has no body, and from some services no code of the error either.
        if response.status == 404, response.headers["x-ms-error-code"] ?? "BlobNotFound" == "BlobNotFound" {
            return nil
        }
        guard response.isSuccess else { throw failure(response, name) }
        return response.headers["x-ms-resource-type"] == "directory" ? nil : response.headers
    }

    func request(_ method: HTTPRequest.Method, _ name: ObjectName, query: [(name: String, value: String)] = [])
        -> AzureRequest
    {
        AzureRequest(method, place.container + "/" + place.blob(name.path), query: query)
    }

    func failure(_ response: HTTPResponse, _ name: ObjectName) -> CairnError {
        AzureFailure.error(response, resource(name), service.access.credential)
    }

    /// How messages call an object.
    func resource(_ name: ObjectName) -> String { location + "/" + name.path }
}
