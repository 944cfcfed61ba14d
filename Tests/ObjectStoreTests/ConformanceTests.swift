import ObjectStore
import TestSupport
import Testing

@Suite("Every store passes the conformance suite")
struct ConformanceTests {
    @Test("memory")
    func memory() throws {
        try StoreConformance { MemoryStore() }.run()
    }

    @Test("local directory")
    func local() throws {
        let directory = try TemporaryDirectory()
        var number = 0
        try StoreConformance {
            number += 1
            return try LocalStore.create(path: directory.appending("made/\(number)/"))
        }.run()
    }
}
