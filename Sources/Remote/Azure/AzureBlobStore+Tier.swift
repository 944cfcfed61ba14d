import Bytes
import Foundation
public import ObjectStore

/// Source: *Blob rehydration from the archive tier*.
extension AzureBlobStore: ArchiveTier {
    /// As `ObjectStore` asks.
    public var archive: (any ArchiveTier)? { self }

    /// As `ArchiveTier` asks: one listing.
    public func archived(prefix: String) throws -> [ArchivedObject] {
        var found: [ArchivedObject] = []
        try forEachBlob(prefix: prefix) { name, item in
            guard item.tier == AzureBlobOptions.Tier.archive.rawValue else { return }
            found.append(ArchivedObject(name: name, size: item.size, isComing: !item.archiveStatus.isEmpty))
        }
        return found
    }

    /// As `ArchiveTier` asks: into the hot tier, which has no least time to be paid for.
    public func rehydrate(_ name: ObjectName, priority: RehydrationPriority) throws {
        var request = request(.put, name, query: [("comp", "tier")])
        request.headers["x-ms-access-tier"] = AzureBlobOptions.Tier.hot.rawValue
        request.headers["x-ms-rehydrate-priority"] = priority.rawValue.capitalized
        let (response, _) = try service.send(
            request, body: RawSpan(), into: Buffer(capacity: 1024), bodyMax: 1 << 20)
        guard response.isSuccess || AzureFailure.code(response) == "BlobBeingRehydrated" else {
            throw failure(response, name)
        }
    }
}
