import Bytes
import Foundation
public import ObjectStore

extension AzureBlobStore {
    /// As `ObjectStore` asks: in one request, or above the size for that in blocks that become a blob together.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        try put(name, bytes, mode: mode, use: .seldom)
    }

    /// As `ObjectStore` asks: packs that are read seldom lie in the chosen tier, all else in the hot one.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode, use: ObjectUse) throws {
        let digest = MD5.hash(bytes).map { Data($0).base64EncodedString() }
        var commit: AzureRequest
        var list: [UInt8]?
        if bytes.byteCount <= options.singleRequestMax {
            commit = request(.put, name)
            commit.headers["x-ms-blob-type"] = "BlockBlob"
            commit.headers["Content-MD5"] = digest
            commit.headers["Content-Type"] = "application/octet-stream"
        } else {
            list = try putBlocks(name, bytes)
            commit = request(.put, name, query: [("comp", "blocklist")])
            commit.headers["Content-Type"] = "text/xml"
            commit.headers["Content-MD5"] = list.flatMap { MD5.hash($0.rawSpan) }
                .map { Data($0).base64EncodedString() }
            commit.headers["x-ms-blob-content-type"] = "application/octet-stream"
        }
        commit.headers["x-ms-blob-content-md5"] = digest
        if mode == .ifAbsent { commit.headers["If-None-Match"] = "*" }
        describe(&commit, name, use)

        let answer = Buffer(capacity: 1024)
        let (response, tries) =
            try list.map {
                try service.send(commit, body: $0.rawSpan, into: answer, bodyMax: 1 << 20)
            } ?? service.send(commit, body: bytes, into: answer, bodyMax: 1 << 20)
        if response.isSuccess { return }
        let failure = failure(response, name)
        guard mode == .ifAbsent, [.alreadyExists, .archived, .immutable].contains(failure.code) else { throw failure }
        // The answer to an earlier try can be lost: then the blob that is in the way is the one that it made.
        if tries > 1, let digest, try holds(name, count: bytes.byteCount, digest: digest) { return }
        throw CairnError(.alreadyExists, "there is a blob of that name already", object: resource(name))
    }

    private func holds(_ name: ObjectName, count: Int, digest: String) throws -> Bool {
        guard let properties = try properties(name) else { return false }
        return properties["Content-Length"] == String(count) && properties["Content-MD5"] == digest
    }

    /// Uploads the parts of an object.
    ///
    /// - Returns: the body of the request that makes them the blob.
    private func putBlocks(_ name: ObjectName, _ bytes: RawSpan) throws -> [UInt8] {
        // Parts not yet made a blob belong to the name: parts of another writer must not pass for these.
        let upload = UUID().uuidString
        var list = #"<?xml version="1.0" encoding="utf-8"?><BlockList>"#
        for (number, start) in stride(from: 0, to: bytes.byteCount, by: options.blockSize).enumerated() {
            let part = bytes.extracting(start..<min(start + options.blockSize, bytes.byteCount))
            // All ids of a blob have the same length.
            let id = Data("\(upload)-\(String(number + 100_000))".utf8).base64EncodedString()
            var put = request(.put, name, query: [("blockid", id), ("comp", "block")])
            put.headers["Content-MD5"] = MD5.hash(part).map { Data($0).base64EncodedString() }
            let (response, _) = try service.send(put, body: part, into: Buffer(capacity: 1024), bodyMax: 1 << 20)
            guard response.isSuccess else { throw failure(response, name) }
            list += "<Latest>\(id)</Latest>"
        }
        return Array((list + "</BlockList>").utf8)
    }

    /// Tier and immutability, by what the object is.
    private func describe(_ request: inout AzureRequest, _ name: ObjectName, _ use: ObjectUse) {
        let isPack = name.path.hasPrefix("packs/")
        if let tier = options.tier {
            let own = isPack && use == .seldom ? tier : .hot
            request.headers["x-ms-access-tier"] = own.rawValue
        }
        guard let seconds = options.immutableFor, isPack || name.path.hasPrefix("snapshots/") else { return }
        let until = HTTPDate.text(Int64(Date().timeIntervalSince1970) + seconds)
        request.headers["x-ms-immutability-policy-until-date"] = until
        request.headers["x-ms-immutability-policy-mode"] = "unlocked"
    }
}
