import Bytes
import Foundation
import FoundationXML

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
        let reader = BlobListReader()
        let parser = XMLParser(data: Data(body.array))
        parser.delegate = reader
        guard parser.parse(), reader.isWhole else {
            throw CairnError(
                .server, "the listing is not the XML that the Blob service sends; is this its address?",
                object: resource)
        }
        items = reader.items
        nextMarker = reader.nextMarker
    }
}

private final class BlobListReader: NSObject, XMLParserDelegate {
    var items: [BlobListItem] = []
    var nextMarker = ""
    /// The document is an `EnumerationResults` with everything that a page has.
    var isWhole: Bool { sawBlobs && sawMarker && !isWrong }

    private var sawBlobs = false
    private var sawMarker = false
    private var isWrong = false
    private var item: BlobListItem?
    private var text = ""

    func parser(
        _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String] = [:]
    ) {
        text = ""
        if element == "Blob" { item = BlobListItem() }
        if element == "Blobs" { sawBlobs = true }
    }

    func parser(_ parser: XMLParser, foundCharacters characters: String) { text += characters }

    func parser(
        _ parser: XMLParser, didEndElement element: String, namespaceURI: String?, qualifiedName: String?
    ) {
        switch element {
        case "Name" where item?.name == "": item?.name = text
        case "Content-Length": setSize()
        case "Last-Modified": setModified()
        case "AccessTier": item?.tier = text
        case "ArchiveStatus": item?.archiveStatus = text
        case "Content-MD5": item?.contentMD5 = text
        case "ResourceType": item?.isDirectory = text == "directory"
        case "Blob":
            if let item { items.append(item) }
            item = nil
        case "NextMarker":
            nextMarker = text
            sawMarker = true
        default: break
        }
    }

    private func setSize() {
        guard let size = Int(text), size >= 0 else { return isWrong = true }
        item?.size = size
    }

    private func setModified() {
        guard let seconds = HTTPDate.seconds(text) else { return isWrong = true }
        item?.modified = seconds
    }
}
