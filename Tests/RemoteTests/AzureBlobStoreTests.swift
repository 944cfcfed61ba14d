import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Remote

@Suite struct AzureBlobStoreTests {
    @Test func itIsAStore() throws {
        try StoreConformance { try AzureEmulator.shared().makeStore() }.run()
    }

    @Test func itIsAStoreBelowAPrefixAndInBlocks() throws {
        var options = AzureBlobOptions()
        options.singleRequestMax = 1_000
        options.blockSize = 3_000_001
        let emulator = try AzureEmulator()
        try StoreConformance { try emulator.makeStore(prefix: "prod/eu", options: options) }.run()
    }
}
