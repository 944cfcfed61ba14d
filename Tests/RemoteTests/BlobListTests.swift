import Bytes
import TestSupport
import Testing

@testable import Remote

/// The listing as the documentation of the service shows it.
@Suite struct BlobListTests {
    private static let page = """
        \u{FEFF}<?xml version="1.0" encoding="utf-8"?>
        <EnumerationResults ServiceEndpoint="https://a.blob.core.windows.net/?x=1>2" ContainerName='box'>
          <Prefix>packs/</Prefix><MaxResults>5000</MaxResults>
          <Blobs>
            <Blob><Name>packs/ab/abc</Name><Properties><Creation-Time>Mon, 23 Nov 2026 05:00:00 GMT</Creation-Time>
              <Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT</Last-Modified><Etag>0x8</Etag>
              <Content-Length>16777216</Content-Length><Content-MD5>Q2hlY2s=</Content-MD5><Content-CRC64 />
              <AccessTier>Archive</AccessTier><ArchiveStatus>rehydrate-pending-to-hot</ArchiveStatus>
              <Cache-Control/></Properties><Metadata><Name>not the name</Name></Metadata><OrMetadata /></Blob>
            <Blob><Name>a&amp;b &lt;&#228;&#x1F600;&quot;&apos;&gt;</Name><Properties>
              <Last-Modified>Sun, 06 Nov 1994 08:49:38 GMT</Last-Modified><Content-Length>0</Content-Length>
              <ResourceType>directory</ResourceType></Properties></Blob>
          </Blobs>
          <NextMarker>2!8&#x41;</NextMarker>
        </EnumerationResults>

        """

    private func parse(_ text: String) throws -> BlobList {
        try BlobList(Buffer(copying: Array(text.utf8)), of: "box")
    }

    @Test func everythingOfInterestIsRead() throws {
        let list = try parse(Self.page)
        #expect(list.items.map(\.name) == ["packs/ab/abc", "a&b <ä😀\"'>"])
        #expect(list.items.map(\.size) == [16_777_216, 0])
        #expect(list.items.map(\.modified) == [784_111_777, 784_111_778])
        #expect(list.items.map(\.tier) == ["Archive", ""])
        #expect(list.items[0].archiveStatus == "rehydrate-pending-to-hot" && list.items[0].contentMD5 == "Q2hlY2s=")
        #expect(list.items.map(\.isDirectory) == [false, true])
        #expect(list.nextMarker == "2!8A")
        let last = try parse("<EnumerationResults><Blobs/><NextMarker /></EnumerationResults>")
        #expect(last.items.isEmpty && last.nextMarker.isEmpty)
    }

    /// Fewer blobs than there are would have objects copied again, or worse, be taken for deleted.
    @Test func whatIsCutShortIsNoListing() throws {
        let bytes = Array(Self.page.utf8)
        let end = try #require(bytes.lastIndex(of: UInt8(ascii: ">")))
        for count in 0...end {
            expectError(.server) { _ = try BlobList(Buffer(copying: Array(bytes[..<count])), of: "box") }
        }
    }

    @Test(arguments: [
        ("<Blobs>", "<Blubs>"), ("</Blobs>", ""), ("<NextMarker>", "<NextMarker><b>"), ("&amp;", "&amp"),
        ("&amp;", "&unknown;"), ("&#228;", "&#1114112;"), ("16777216", "-1"), ("16777216", "many"),
        ("08:49:37 GMT", "never"), ("<Blobs>", "<!-- <Blobs> -->"), ("</EnumerationResults>", "</EnumerationResults>x"),
        ("</EnumerationResults>", "</EnumerationResults><Blobs>"), ("EnumerationResults", "html"),
        ("<Etag>0x8", "<0x8"),
    ])
    func whatIsOtherwiseIsNoListing(part: String, other: String) throws {
        expectError(.server) { _ = try parse(Self.page.replacing(part, with: other)) }
    }
}
