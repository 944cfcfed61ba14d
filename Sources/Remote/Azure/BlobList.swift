import Bytes

/// One blob of a listing.
struct BlobListItem {
    var name = ""
    var size = 0
    /// Seconds since 1970-01-01 UTC.
    var modified: Int64 = 0
    var tier = ""
    var archiveStatus = ""
    /// Base64; empty for blobs that nobody gave one.
    var contentMD5 = ""
    /// A directory of an account with hierarchical names, which shows up as an empty blob.
    var isDirectory = false
}

/// One page of List Blobs.
///
/// Source: *List Blobs* of the Storage REST documentation.
struct BlobList {
    private(set) var items: [BlobListItem] = []
    /// Where the next page begins; empty behind the last one.
    private(set) var nextMarker = ""

    /// Reads a page.
    ///
    /// - Throws: `.server` for what is no whole listing: a page cut short must not look like fewer blobs.
    init(_ body: Buffer, of resource: String) throws {
        var reader = BlobListReader(body.array)
        guard reader.read() else {
            throw CairnError(
                .server, "the listing is not the XML that the Blob service sends; is this its address?",
                object: resource)
        }
        items = reader.items
        nextMarker = reader.nextMarker
    }
}
