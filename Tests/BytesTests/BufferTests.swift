import Bytes
import Testing

@Suite struct BufferTests {
    @Test func growsAndKeepsItsBytes() {
        let buffer = Buffer(capacity: 4)
        for value in 0..<1000 { buffer.append(littleEndian: UInt16(value)) }
        #expect(buffer.count == 2000)
        let last = buffer.bytes.integer(at: 998 * 2, as: UInt16.self)
        #expect(last == 998)
        buffer.overwrite(at: 0, with: [9, 8].rawSpan)
        #expect(buffer.array.prefix(3) == [9, 8, 1])
        buffer.truncate(to: 3)
        #expect(buffer.array == [9, 8, 1])
    }

    @Test func readerRefusesToReadPastTheEnd() throws {
        let bytes: [UInt8] = [1, 2, 0, 0, 0, 7]
        var reader = ByteReader(bytes.rawSpan, object: "packs/x")
        let (first, second) = (try reader.integer(as: UInt8.self), try reader.integer(as: UInt32.self))
        #expect(first == 1 && second == 2)
        var caught: CairnError?
        do { _ = try reader.integer(as: UInt16.self) } catch let error as CairnError { caught = error }
        #expect(caught?.code == .corrupt && caught?.object == "packs/x" && caught?.offset == 5)
        let remaining = reader.remaining
        #expect(remaining == 1)
    }

    @Test func poolShrinksWhatABigDocumentMadeLarge() throws {
        let pool = BufferPool(buffers: 1, capacity: 128)
        let buffer = try pool.take()
        buffer.reserve(1 << 20)
        pool.give(buffer)
        let again = try pool.take()
        #expect(again === buffer && again.capacity == 128 && again.count == 0)
        pool.give(again)
    }

    @Test func hexRoundTrip() {
        #expect(Hex.decode("00ff1A") == [0, 255, 26])
        #expect(Hex.encode([0, 255, 26]) == "00ff1a")
        #expect(Hex.decode("0") == nil && Hex.decode("zz") == nil)
        let id = RandomID.random()
        #expect(RandomID(hex: id.hex) == id && id.hex.utf8.count == 32)
    }
}
