import Bytes
public import ObjectStore

extension AzureBlobStore {
    /// As `ObjectStore` asks: a request for each 5,000 blobs.
    public func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        try forEachBlob(prefix: prefix) { name, item in
            try body(ObjectInfo(name: name, size: item.size, modified: item.modified))
        }
    }

    /// Calls `body` for each object with all that the service lists of it.
    func forEachBlob(prefix: String, _ body: (ObjectName, BlobListItem) throws -> Void) throws {
        var marker = ""
        let page = Buffer(capacity: 1 << 20)
        repeat {
            page.removeAll()
            let request = listing(prefix: prefix, marker: marker)
            let (response, _) = try service.send(request, into: page, bodyMax: 64 << 20)
            guard response.isSuccess else {
                throw AzureFailure.error(response, location, service.access.credential)
            }
            let list = try BlobList(page, of: location)
            for item in list.items where !item.isDirectory {
                if let name = place.object(ofBlob: item.name) { try body(name, item) }
            }
            guard list.nextMarker.isEmpty || list.nextMarker != marker else {
                throw CairnError(.server, "the listing does not go on: the same page twice", object: location)
            }
            marker = list.nextMarker
        } while !marker.isEmpty
    }

    private func listing(prefix: String, marker: String) -> AzureRequest {
        let path = place.blob(prefix)
        var query = [("comp", "list"), ("restype", "container"), ("maxresults", "5000")]
        if !path.isEmpty { query.append(("prefix", path)) }
        if !marker.isEmpty { query.append(("marker", marker)) }
        return AzureRequest(.get, place.container, query: query)
    }
}
