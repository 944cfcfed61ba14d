import Bytes
public import ObjectStore

extension AzureBlobStore {
    /// As `ObjectStore` asks: a request for each 5,000 blobs.
    public func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        try forEachBlob(prefix: prefix) { name, item in
            try body(ObjectInfo(name: name, size: item.size, modified: item.modified))
        }
    }

    /// As `ObjectStore` asks: in one request where a page holds all that lies between the prefixes, and what it does
    /// not reach is listed on its own.
    public func list(prefixes: [String], _ body: (ObjectInfo) throws -> Void) throws {
        guard prefixes.count > 1 else {
            for prefix in prefixes { try list(prefix: prefix, body) }
            return
        }
        let shared = prefixes.dropFirst().reduce(prefixes[0]) { shared, prefix in
            String(zip(shared, prefix).prefix { $0 == $1 }.map(\.0))
        }
        let page = try page(prefix: shared, marker: "", sizeMax: Self.sharedPageSize, Buffer(capacity: 1 << 20))
        let last = page.nextMarker.isEmpty ? nil : page.items.last?.name ?? ""
        let whole = prefixes.filter { prefix in last.map { Self.isBehind($0, place.blob(prefix)) } ?? true }
        for item in page.items where !item.isDirectory {
            guard let name = place.object(ofBlob: item.name), whole.contains(where: { name.path.hasPrefix($0) }) else {
                continue
            }
            try body(ObjectInfo(name: name, size: item.size, modified: item.modified))
        }
        for prefix in prefixes where !whole.contains(prefix) { try list(prefix: prefix, body) }
    }

    /// What a page costs that turns out to hold little of what was asked for stays below two megabytes.
    private static let sharedPageSize = 2_000

    /// Whether the blob `name` stands behind all that begin with `prefix`. Only where two letters decide: how the
    /// service sorts other characters is not asked.
    private static func isBehind(_ name: String, _ prefix: String) -> Bool {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        guard let (left, right) = zip(name.utf8, prefix.utf8).first(where: { $0 != $1 }) else { return false }
        return letters.contains(left) && letters.contains(right) && left > right
    }

    /// Calls `body` for each object with all that the service lists of it.
    func forEachBlob(prefix: String, _ body: (ObjectName, BlobListItem) throws -> Void) throws {
        var marker = ""
        let buffer = Buffer(capacity: 1 << 20)
        repeat {
            let list = try page(prefix: prefix, marker: marker, sizeMax: 5_000, buffer)
            for item in list.items where !item.isDirectory {
                if let name = place.object(ofBlob: item.name) { try body(name, item) }
            }
            guard list.nextMarker.isEmpty || list.nextMarker != marker else {
                throw CairnError(.server, "the listing does not go on: the same page twice", object: location)
            }
            marker = list.nextMarker
        } while !marker.isEmpty
    }

    /// One page of at most `sizeMax` blobs.
    private func page(prefix: String, marker: String, sizeMax: Int, _ buffer: Buffer) throws -> BlobList {
        buffer.removeAll()
        let path = place.blob(prefix)
        var query = [("comp", "list"), ("restype", "container"), ("maxresults", String(sizeMax))]
        if !path.isEmpty { query.append(("prefix", path)) }
        if !marker.isEmpty { query.append(("marker", marker)) }
        let request = AzureRequest(.get, place.container, query: query)
        let (response, _) = try service.send(request, into: buffer, bodyMax: 64 << 20)
        guard response.isSuccess else { throw AzureFailure.error(response, location, service.access.credential) }
        return try BlobList(buffer, of: location)
    }
}
