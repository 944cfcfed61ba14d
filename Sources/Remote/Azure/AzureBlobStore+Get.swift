public import Bytes
import Foundation
public import ObjectStore

extension AzureBlobStore {
    /// As `ObjectStore` asks. Bytes that differ from the MD5 kept with the blob are asked for once more, since they may
    /// have been damaged on their way.
    public func get(_ name: ObjectName, into buffer: Buffer) throws {
        try get(name, sizeMax: Self.blobSizeMax, into: buffer)
    }

    /// The largest object that is read whole.
    private static let blobSizeMax = 1 << 30
    /// Room for what the service says of an error.
    private static let errorSizeMax = 64 << 10

    /// As `ObjectStore` asks: in one request, whose answer is broken off where it gets too large.
    public func get(_ name: ObjectName, sizeMax: Int, into buffer: Buffer) throws {
        let start = buffer.count
        for _ in 0..<2 {
            let response: HTTPResponse
            do {
                let bodyMax = max(sizeMax, Self.errorSizeMax)
                response = try service.send(request(.get, name), into: buffer, bodyMax: bodyMax).response
            } catch let error as CairnError where error.code == .limit {
                throw tooLarge(name, sizeMax)
            }
            guard response.isSuccess, response.headers["x-ms-resource-type"] != "directory" else {
                buffer.truncate(to: start)
                throw response.isSuccess
                    ? CairnError(.notFound, "no such blob", object: resource(name)) : failure(response, name)
            }
            if buffer.count - start > sizeMax {
                buffer.truncate(to: start)
                throw tooLarge(name, sizeMax)
            }
            if isIntact(buffer, from: start, response.headers["Content-MD5"]) { return }
            buffer.truncate(to: start)
        }
        throw CairnError(.corrupt, "the blob's bytes differ from the MD5 kept with it", object: resource(name))
    }

    /// As `ObjectStore` asks. The service adds an MD5 to ranges of up to 4 MiB.
    public func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        guard !range.isEmpty else { return try requireSize(name, atLeast: range.upperBound) }
        var request = request(.get, name)
        request.headers["x-ms-range"] = "bytes=\(range.lowerBound)-\(range.upperBound - 1)"
        if range.count <= 4 << 20 { request.headers["x-ms-range-get-content-md5"] = "true" }
        let start = buffer.count
        for _ in 0..<2 {
            let (response, _) = try service.send(request, into: buffer)
            let count = buffer.count - start
            if response.status == 206, count == range.count,
                isIntact(buffer, from: start, response.headers["Content-MD5"])
            {
                return
            }
            buffer.truncate(to: start)
            guard response.isSuccess || response.status == 416 else { throw failure(response, name) }
            if response.status == 416 || count < range.count { throw ends(name, before: range.upperBound) }
        }
        throw CairnError(
            .corrupt, "the range differs from the MD5 that was sent with it", object: resource(name),
            offset: range.lowerBound)
    }

    private func tooLarge(_ name: ObjectName, _ sizeMax: Int) -> CairnError {
        CairnError(
            .corrupt, "the blob is larger than the \(sizeMax) bytes that may be there, so it is too large",
            object: resource(name))
    }

    private func requireSize(_ name: ObjectName, atLeast size: Int) throws {
        guard let info = try stat(name) else { throw CairnError(.notFound, "no such blob", object: resource(name)) }
        if info.size < size { throw ends(name, before: size) }
    }

    private func ends(_ name: ObjectName, before offset: Int) -> CairnError {
        CairnError(.corrupt, "the blob ends before byte \(offset)", object: resource(name), offset: offset)
    }

    /// Blobs made by other tools may have no MD5; what reads them authenticates their bytes.
    private func isIntact(_ buffer: Buffer, from start: Int, _ expected: String?) -> Bool {
        guard let expected, let digest = MD5.hash(buffer.bytes.extracting(start...)) else { return true }
        return Data(digest).base64EncodedString() == expected
    }
}
