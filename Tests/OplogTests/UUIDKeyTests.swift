import Bytes
import Testing

@testable import Oplog

@Suite struct UUIDKeyTests {
    @Test func bytesGoInAndOut() throws {
        let bytes = (0..<16).map { UInt8($0 * 17) }
        let key = UUIDKey(bytes.rawSpan)
        #expect(key?.bytes == bytes)
    }

    @Test func otherLengthsAreNoUUID() {
        let bytes = [UInt8](repeating: 1, count: 15)
        let key = UUIDKey(bytes.rawSpan)
        #expect(key == nil)
    }
}
