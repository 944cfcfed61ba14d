import Testing

@testable import Remote

@Suite struct HTTPDateTests {
    @Test func theExampleOfTheStandard() {
        #expect(HTTPDate.seconds("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777)
        #expect(HTTPDate.text(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.seconds("soon") == nil)
    }

    @Test func whatIsPercentEncoded() {
        #expect(PercentEncoding.encode("aZ09-._~") == "aZ09-._~")
        #expect(PercentEncoding.encode("a b/ü=+") == "a%20b%2F%C3%BC%3D%2B")
    }
}
