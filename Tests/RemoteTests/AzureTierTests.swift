import Bytes
import Foundation
import ObjectStore
import TestSupport
import Testing

@testable import Remote

/// Tiers, immutability, and what an account keeps of what was deleted.
@Suite struct AzureTierTests {
    private let emulator: AzureEmulator
    private let pack = ObjectName(trusted: "packs/ab/data")
    private let bytes = [UInt8](repeating: 9, count: 1_000)

    init() throws {
        emulator = try AzureEmulator()
    }

    private func tiers(_ store: AzureBlobStore) throws -> [String: String] {
        var tiers: [String: String] = [:]
        try store.forEachBlob(prefix: "") { name, item in tiers[name.path] = item.tier }
        return tiers
    }

    @Test(arguments: AzureBlobOptions.Tier.allCases) func packsAlone(_ tier: AzureBlobOptions.Tier) throws {
        for blockwise in [false, true] {
            var options = AzureBlobOptions()
            options.tier = tier
            if blockwise { (options.singleRequestMax, options.blockSize) = (100, 300) }
            let store: any ObjectStore = try emulator.makeStore(options: options)
            try store.put(pack, bytes.rawSpan, mode: .ifAbsent)
            let throttled = ThrottledStore(RetryingStore(store), uploadRate: 1 << 30)
            try throttled.put(ObjectName(trusted: "packs/ab/lists"), bytes.rawSpan, mode: .ifAbsent, use: .often)
            try throttled.put(ObjectName(trusted: "packs/ab/more"), bytes.rawSpan, mode: .ifAbsent, use: .seldom)
            for other in ["config", "snapshots/a", "indexes/a", "leases/a"] {
                try store.put(ObjectName(trusted: other), bytes.rawSpan, mode: .replace)
            }
            let azure = try #require(store as? AzureBlobStore)
            let found = try tiers(azure)
            #expect(found["packs/ab/data"] == tier.rawValue && found["packs/ab/more"] == tier.rawValue)
            #expect(found.values.count { $0 == "Hot" } == (tier == .hot ? 7 : 5))
            let archived = try #require(throttled.archive).archived(prefix: "packs/")
            #expect(archived.count == (tier == .archive ? 2 : 0))
        }
    }

    @Test func whatIsArchivedComesBack() throws {
        var options = AzureBlobOptions()
        options.tier = .archive
        let store = try emulator.makeStore(options: options)
        try store.put(pack, bytes.rawSpan, mode: .ifAbsent)
        func read() throws {
            let buffer = Buffer(capacity: 0)
            try store.get(pack, range: 5..<10, into: buffer)
            #expect(buffer.array == [9, 9, 9, 9, 9])
        }
        expectError(.archived) { try read() }
        try store.rehydrate(pack, priority: .standard)
        #expect(try store.archived(prefix: "").map(\.isComing) == [true])
        expectError(.archived) { try read() }
        try emulator.control(.post, "clock", "{\"advance\": 53000}")
        expectError(.archived) { try read() }
        try store.rehydrate(pack, priority: .high)
        try emulator.control(.post, "clock", "{\"advance\": 3601}")
        #expect(try store.archived(prefix: "").isEmpty)
        try read()
        // What is archived is listed, counted and deleted like anything else.
        try store.put(ObjectName(trusted: "packs/ab/other"), bytes.rawSpan, mode: .ifAbsent)
        #expect(try store.stat(ObjectName(trusted: "packs/ab/other"))?.size == 1_000)
        try store.delete(ObjectName(trusted: "packs/ab/other"))
        expectError(.notFound) { try store.rehydrate(ObjectName(trusted: "packs/ab/none"), priority: .high) }
    }

    @Test func whatMustStayStays() throws {
        var options = AzureBlobOptions()
        options.immutableFor = 86_400
        let store = try emulator.makeStore(exchange: impatient(), options: options)
        for name in ["packs/ab/data", "snapshots/a"] {
            let name = ObjectName(trusted: name)
            try store.put(name, bytes.rawSpan, mode: .ifAbsent)
            let refused = expectError(.immutable) { try store.delete(name) }
            #expect(refused?.object?.hasSuffix(name.path) == true)
            expectError(.immutable) { try store.put(name, bytes.rawSpan, mode: .replace) }
            let until = try #require(try store.retention(of: name))
            #expect(abs(until - Int64(Date().timeIntervalSince1970) - 86_400) < 60)
        }
        // A lease that nobody may replace or delete would stop everything.
        for other in ["leases/a", "config", "indexes/a", "keys/a", "audit/a", "condemned/a", "segments/a"] {
            let name = ObjectName(trusted: other)
            try store.put(name, bytes.rawSpan, mode: .replace)
            try store.put(name, bytes.rawSpan, mode: .replace)
            #expect(try store.retention(of: name) == nil)
            try store.delete(name)
        }
        try emulator.control(.post, "clock", "{\"advance\": 86500}")
        try store.delete(pack)
        #expect(try store.stat(pack) == nil)
    }

    /// Deleted blobs and older versions are the account's; a listing never has them.
    @Test(arguments: [
        "{\"soft_delete_days\": 7}", "{\"versioning\": true}", "{\"soft_delete_days\": 7, \"versioning\": true}",
    ])
    func whatTheAccountKeepsIsNotListed(_ settings: String) throws {
        try emulator.control(.post, "settings", settings)
        try StoreConformance { try emulator.makeStore() }.run()
        let store = try emulator.makeStore()
        for round in 0..<3 {
            try store.put(pack, [UInt8](repeating: UInt8(round), count: 10).rawSpan, mode: .ifAbsent)
            var listed = 0
            try store.list(prefix: "") { _ in listed += 1 }
            #expect(listed == 1)
            try store.delete(pack)
            try store.list(prefix: "") { Issue.record("\($0.name) was deleted") }
        }
    }
}
