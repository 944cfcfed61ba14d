import BSON
import Bytes
import TestSupport
import Testing

/// Parsers against damaged input: they throw or succeed, never trap, never read outside; and the validator agrees
/// with its oracle.
@Suite struct MutationTests {
    /// Ten seeds of 10,000 mutations each.
    @Test(arguments: (1...10).map(UInt64.init)) func parsersSurviveMutations(seed: UInt64) {
        var documents = RandomDocuments(seed: seed)
        let memory = GuardedMemory(capacity: 1 << 18)
        var accepted = 0
        for _ in 0..<500 {
            let whole = documents.document(depth: 2, fieldsMax: 4).bytes
            for _ in 0..<20 {
                let bytes = mutate(whole, using: &documents.random)
                let isValid = ReferenceValidator.accepts(bytes, checksText: true)
                let isStored = isValid || ReferenceValidator.accepts(bytes, checksText: false)
                accepted += isValid ? 1 : 0
                memory.withCopies(of: bytes) { span in
                    exercise(span, isValid: isValid, isStored: isStored, seed: seed)
                }
            }
        }
        #expect(accepted > 200, "seed \(seed): mutations that stay valid show that not everything is refused")
    }

    private func exercise(_ span: RawSpan, isValid: Bool, isStored: Bool, seed: UInt64) {
        #expect(
            isAccepted { try BSONValidator.validate(span, strictness: .specification) } == isValid,
            "seed \(seed): \([UInt8](span))")
        #expect(
            isAccepted { try BSONValidator.validate(span, strictness: .server) } == isStored,
            "seed \(seed): \([UInt8](span))")
        let walked = isAccepted { try walk(DocumentView(span)) }
        #expect(walked || !isStored, "seed \(seed): a view refuses what the validator accepts: \([UInt8](span))")
        let owned = try? BSONDocument(copying: span)
        #expect((owned != nil) == isStored)
        if let owned { _ = (owned.fields, owned["name"], owned.names) }
        _ = isAccepted { _ = try BSONValidator.validateDocuments(inChunk: span, strictness: .server) }
        _ = isAccepted { try DocumentBatch.forEachDocument(inChunk: span) { _ in } }
        _ = isAccepted { try DocumentBatch.forEachDocument(inArray: span) { _ in } }
        _ = isAccepted {
            let identity = try DocumentIdentity.idBytes(of: span)
            _ = try BSONOrder.compareIdentities(identity, identity)
            _ = try DocumentIdentity.document(of: identity)
        }
    }

    private func isAccepted(_ body: () throws -> Void) -> Bool {
        do {
            try body()
            return true
        } catch {
            return false
        }
    }

    /// Every accessor of every element, and comparisons of neighbours.
    private func walk(_ view: DocumentView, depth: Int = 0) throws {
        guard depth < BSONValidator.depthMax else { return }
        var elements = view.makeElements()
        while let element = try elements.next() {
            _ = (element.nameText, element.name.byteCount, element.integer, element.double, element.bool, element.date)
            _ = (element.timestamp, element.objectID, element.string, element.binarySubtype, element.binary?.byteCount)
            _ = (try? BSONValue(element), try? BSONOrder.compare(element, element))
            if let inner = element.document { try walk(inner, depth: depth + 1) }
        }
    }

    /// One to three damages: a flipped bit, a random or telling byte, a length off by little, bytes cut, added, moved
    /// or doubled.
    private func mutate(_ whole: [UInt8], using random: inout SeededGenerator) -> [UInt8] {
        var bytes = whole
        for _ in 0..<random.integer(1..<4) {
            guard !bytes.isEmpty else { break }
            let at = random.integer(0..<bytes.count)
            switch random.integer(0..<8) {
            case 0: bytes[at] ^= 1 << UInt8(random.integer(0..<8))
            case 1: bytes[at] = random.pick([0, 1, 2, 3, 4, 5, 0x0B, 0x0F, 0x13, 0x7F, 0x80, 0xC0, 0xE0, 0xF4, 0xFF])
            case 2: bytes[at] &+= random.pick([1, 255])
            case 3: bytes.removeLast(random.integer(0..<bytes.count))
            case 4: bytes += random.bytes(random.integer(1..<9))
            case 5: bytes.remove(at: at)
            case 6: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 12)], at: random.integer(0..<bytes.count))
            default: bytes.swapAt(at, random.integer(0..<bytes.count))
            }
        }
        // Mutations behind a wrong length would all be refused for it alone: half of them get a framing that fits.
        if bytes.count >= 5, random.once(in: 2) {
            for index in 0..<4 { bytes[index] = UInt8(truncatingIfNeeded: bytes.count >> (8 * index)) }
            bytes[bytes.count - 1] = 0
        }
        return bytes
    }
}
