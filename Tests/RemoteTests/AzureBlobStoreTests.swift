import Bytes
import Foundation
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

private let realAccount = ProcessInfo.processInfo.environment["CAIRN_TEST_AZURE_CONNECTION_STRING"]
    .flatMap { $0.isEmpty ? nil : SecretText($0) }

/// The same against a real account, or another emulator, in a container that is made and removed.
@Suite(
    .enabled(
        if: realAccount != nil,
        "skipped: CAIRN_TEST_AZURE_CONNECTION_STRING names no account to test against"))
struct RealAccountTests {
    @Test func itIsAStore() throws {
        let text = try #require(realAccount)
        let account = try #require(try ConnectionString(text).account)
        var settings = AzureSettings()
        settings.connectionString = text
        let exchange = settings.exchange()
        let access = try settings.access(account: account, exchange: exchange)
        let container = "cairn-test-\(UUID().uuidString.lowercased())"
        try AzureBlobStore(try AzureLocation("azblob://\(account)/\(container)"), access: access).makeContainer()
        defer {
            _ = try? AzureBlobService(access: access, exchange: exchange).send(
                AzureRequest(.delete, container, query: [("restype", "container")]), into: Buffer(capacity: 0))
        }
        let counter = Results()
        var options = AzureBlobOptions()
        try StoreConformance {
            counter.note(1)
            let place = try AzureLocation("azblob://\(account)/\(container)/\(counter.all.count)")
            return AzureBlobStore(place, access: access, exchange: exchange, options: options)
        }.run()
        (options.singleRequestMax, options.blockSize, options.tier) = (1_000, 1_000_000, .cool)
        let place = try AzureLocation("azblob://\(account)/\(container)/blocks")
        let store = AzureBlobStore(place, access: access, exchange: exchange, options: options)
        let (name, bytes) = (ObjectName(trusted: "packs/ab/cd"), [UInt8](repeating: 7, count: 2_500_000))
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        expectError(.alreadyExists) { try store.put(name, bytes.rawSpan, mode: .ifAbsent) }
        let buffer = Buffer(capacity: 0)
        try store.get(name, into: buffer)
        let isSame = buffer.array == bytes
        #expect(isSame)
        var tiers: [String] = []
        try store.forEachBlob(prefix: "") { _, item in tiers.append(item.tier) }
        #expect(tiers == ["Cool"])
    }
}
