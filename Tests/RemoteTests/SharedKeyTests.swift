import Testing

@testable import Remote

/// Against the examples of *Authorize with Shared Key* in the Storage REST documentation.
@Suite struct SharedKeyTests {
    private let key: SharedKey

    init() throws {
        key = try SharedKey(account: "myaccount", base64: "a2V5")
    }

    @Test func containerMetadata() {
        var request = AzureRequest(
            .get, "mycontainer", query: [("restype", "container"), ("comp", "metadata"), ("timeout", "20")])
        request.headers["x-ms-version"] = "2015-02-21"
        request.headers["x-ms-date"] = "Fri, 26 Jun 2015 23:39:12 GMT"
        let expected =
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
            + "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
        #expect(key.stringToSign(request, path: "/mycontainer", contentLength: 0) == expected)
    }

    @Test func headersThatAreSigned() {
        var request = AzureRequest(.put, "mycontainer/hello")
        request.headers["X-MS-Blob-Type"] = "BlockBlob"
        request.headers["Content-Type"] = "text/plain; charset=UTF-8"
        request.headers["Content-MD5"] = "bWQ1"
        request.headers["If-None-Match"] = "*"
        request.headers["x-ms-date"] = "Sun, 20 Sep 2009 20:36:40 GMT"
        request.headers["x-ms-meta-m1"] = "v1"
        let expected =
            "PUT\n\n\n11\nbWQ1\ntext/plain; charset=UTF-8\n\n\n\n*\n\n\nx-ms-blob-type:BlockBlob\n"
            + "x-ms-date:Sun, 20 Sep 2009 20:36:40 GMT\nx-ms-meta-m1:v1\n/myaccount/mycontainer/hello"
        #expect(key.stringToSign(request, path: "/mycontainer/hello", contentLength: 11) == expected)
    }

    /// HMAC-SHA-256 of RFC 4231, test case 2, under the key `Jefe`.
    @Test func aKeyThatIsNoBase64IsRefused() {
        #expect(throws: (any Error).self) { try SharedKey(account: "a", base64: "not base64!") }
        #expect(throws: (any Error).self) { try SharedKey(account: "a", base64: "") }
    }
}
