import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Remote

/// What goes wrong between a client and the service: the emulator does it to the n-th request.
@Suite struct AzureFaultTests {
    private let emulator: AzureEmulator
    private let waits = Waits()
    private let name = ObjectName(trusted: "packs/ab/abcdef")
    private let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }

    init() throws {
        emulator = try AzureEmulator()
    }

    private func faults(_ rules: String...) throws {
        try emulator.control(.post, "faults", "[\(rules.joined(separator: ", "))]")
    }

    private func unused() throws -> Int {
        let left = try emulator.control(.get, "faults")["remaining"] as? [Int]
        return (left ?? []).reduce(0, +)
    }

    private func store(tries: Int = 6, blocks: Bool = false) throws -> AzureBlobStore {
        var options = AzureBlobOptions()
        if blocks {
            options.singleRequestMax = 1_000
            options.blockSize = 1_000_000
        }
        return try emulator.makeStore(exchange: impatient(waits, tries: tries), options: options)
    }

    private func read(_ store: AzureBlobStore) throws -> [UInt8] {
        let buffer = Buffer(capacity: 0)
        try store.get(name, into: buffer)
        return buffer.array
    }

    /// A quick client for answers that do not come.
    private func hasty() throws -> AzureBlobStore {
        var http = HTTPOptions()
        http.stallTimeout = 1
        let exchange = HTTPExchange(
            client: HTTPClient(options: http), policy: RetryPolicy(triesMax: 3) { [waits] in waits.note($0) })
        return try emulator.makeStore(exchange: exchange)
    }

    @Test(arguments: [(503, "ServerBusy"), (429, "TooManyRequests"), (500, "InternalError"), (502, "BadGateway")])
    func aStormPasses(_ status: Int, _ code: String) throws {
        let store = try store()
        try faults("{\"status\": \(status), \"code\": \"\(code)\", \"count\": 4}")
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        #expect(waits.all.count == 4)
        // Half of each doubling bound is certain: a storm is not answered by another one.
        #expect(zip(waits.all, [250, 500, 1000, 2000]).allSatisfy { $0 >= .milliseconds($1) })
        try faults("{\"status\": \(status), \"count\": 3}")
        let isSame = try read(store) == bytes
        #expect(isSame)
        try faults("{\"status\": \(status), \"count\": 2}")
        #expect(try store.stat(name)?.size == bytes.count)
        try faults("{\"status\": \(status), \"count\": 2}")
        var listed: [ObjectName] = []
        try store.list(prefix: "") { listed.append($0.name) }
        #expect(listed == [name])
        try faults("{\"status\": \(status), \"count\": 2}")
        try store.delete(name)
        #expect(try unused() == 0)
    }

    @Test func theServiceSaysHowLongToWait() throws {
        let store = try store()
        try faults("{\"status\": 503, \"retry_after\": 7}", "{\"status\": 429, \"retry_after\": 4000, \"nth\": 2}")
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        #expect(waits.all == [.seconds(7), .seconds(120)])
    }

    @Test func aStormThatDoesNotPassIsSaid() throws {
        let store = try store(tries: 3)
        try faults("{\"status\": 503, \"count\": null}")
        let error = expectError(.unreachable) { try store.put(name, bytes.rawSpan, mode: .ifAbsent) }
        #expect(error?.description.contains("ServerBusy") == true && error?.object?.contains("packs/ab") == true)
        #expect(waits.all.count == 2)
    }

    @Test(arguments: ["reset_response_after", "truncate_response_after"])
    func aBodyThatBreaksOffIsAskedForAgain(_ action: String) throws {
        let store = try store()
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        try faults("{\"operation\": \"GetBlob\", \"\(action)\": 1000000}", "{\"\(action)\": 0, \"nth\": 2}")
        let isSame = try read(store) == bytes
        #expect(isSame)
        #expect(waits.all.count == 2)
        try faults("{\"\(action)\": 100, \"operation\": \"ListBlobs\", \"count\": 2}")
        var count = 0
        try store.list(prefix: "") { _ in count += 1 }
        #expect(count == 1)
        let range = Buffer(capacity: 0)
        try faults("{\"operation\": \"GetBlob\", \"\(action)\": 10}")
        try store.get(name, range: 500..<90_000, into: range)
        let isSameRange = range.array[...] == bytes[500..<90_000]
        #expect(isSameRange)
        #expect(try unused() == 0)
    }

    /// Nothing of a body that broke off stays in the caller's buffer.
    @Test func aBodyThatAlwaysBreaksOffLeavesNothing() throws {
        let store = try store(tries: 2)
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        try faults("{\"operation\": \"GetBlob\", \"truncate_response_after\": 1000000, \"count\": null}")
        let buffer = Buffer(capacity: 0)
        buffer.append([1, 2, 3].rawSpan)
        expectError(.unreachable) { try store.get(name, into: buffer) }
        #expect(buffer.array == [1, 2, 3])
    }

    @Test func anUploadThatBreaksOffBeginsAnew() throws {
        let store = try store()
        try faults("{\"operation\": \"PutBlob\", \"reset_request_after\": 500000, \"count\": 2}")
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        let isSame = try read(store) == bytes
        #expect(isSame)
        #expect(waits.all.count == 2)
    }

    @Test(arguments: [false, true])
    func bytesDamagedOnTheirWayThere(_ blocks: Bool) throws {
        let store = try store(blocks: blocks)
        let operation = blocks ? "PutBlock" : "PutBlob"
        try faults("{\"operation\": \"\(operation)\", \"flip_request_byte\": 777, \"count\": 2}")
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        let isSame = try read(store) == bytes
        #expect(isSame)
        #expect(waits.all.count == 2)
        try faults("{\"operation\": \"\(operation)\", \"flip_request_byte\": 777, \"count\": null}")
        let other = ObjectName(trusted: "packs/ab/other")
        let error = expectError(.unreachable) { try store.put(other, bytes.rawSpan, mode: .ifAbsent) }
        #expect(error?.description.contains("damaged on their way") == true)
        #expect(try store.stat(other) == nil)
    }

    @Test func aDamagedListOfBlocksMakesNoBlob() throws {
        let store = try store(blocks: true)
        try faults("{\"operation\": \"PutBlockList\", \"flip_request_byte\": 70, \"count\": 2}")
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        let isSame = try read(store) == bytes
        #expect(isSame)
        #expect(waits.all.count == 2)
    }

    @Test func bytesDamagedOnTheirWayBack() throws {
        let store = try store()
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        try faults("{\"operation\": \"GetBlob\", \"flip_response_byte\": 12345}")
        let isSame = try read(store) == bytes
        #expect(isSame)
        let range = Buffer(capacity: 0)
        try faults("{\"operation\": \"GetBlob\", \"flip_response_byte\": 3}")
        try store.get(name, range: 100..<300, into: range)
        #expect(range.array[...] == bytes[100..<300])
        #expect(try unused() == 0)
        try faults("{\"operation\": \"GetBlob\", \"flip_response_byte\": 12345, \"count\": null}")
        let error = expectError(.corrupt) { _ = try read(store) }
        #expect(error?.object?.hasSuffix(name.path) == true)
    }

    @Test func answersThatDoNotCome() throws {
        let store = try hasty()
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        try faults("{\"operation\": \"GetBlob\", \"delay_ms\": 4000}")
        let isSame = try read(store) == bytes
        #expect(isSame)
        try faults("{\"operation\": \"GetBlob\", \"bytes_per_second\": 100}")
        let isSameAgain = try read(store) == bytes
        #expect(isSameAgain)
        #expect(waits.all.count == 2)
        try faults("{\"operation\": \"GetBlobProperties\", \"delay_ms\": 4000, \"count\": null}")
        let error = expectError(.unreachable) { _ = try store.stat(name) }
        #expect(error?.object?.contains("127.0.0.1") == true)
    }

    /// The put happened and its answer was lost: the second try meets the first one's blob.
    /// libcurl itself tries again where the connection had served before, as it has with blocks.
    @Test(arguments: [false, true])
    func aLostAnswerToAPut(_ blocks: Bool) throws {
        let store = try store(blocks: blocks)
        try faults("{\"operation\": \"\(blocks ? "PutBlockList" : "PutBlob")\", \"lose_answer\": true}")
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        let isSame = try read(store) == bytes
        #expect(isSame)
        expectError(.alreadyExists) { try store.put(name, bytes.rawSpan, mode: .ifAbsent) }
        // Another writer's blob of the same size is not mistaken for one's own.
        var others = bytes
        others[5] ^= 1
        try faults("{\"operation\": \"\(blocks ? "PutBlockList" : "PutBlob")\", \"status\": 503}")
        expectError(.alreadyExists) { try store.put(name, others.rawSpan, mode: .ifAbsent) }
        try faults("{\"lose_answer\": true, \"operation\": \"DeleteBlob\"}")
        try store.delete(name)
        #expect(try store.stat(name) == nil)
    }

    /// A lost answer to the put of an archived or immutable pack is met by other refusals than "it exists".
    @Test func aLostAnswerToAnArchivedImmutablePut() throws {
        var options = AzureBlobOptions()
        options.tier = .archive
        options.immutableFor = 86_400
        let store = try emulator.makeStore(exchange: impatient(waits), options: options)
        try faults("{\"operation\": \"PutBlob\", \"lose_answer\": true}")
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        let error = expectError(.archived) { _ = try read(store) }
        #expect(error?.description.contains("--rehydrate") == true)
    }

    @Test func anInterruptedUploadOfBlocks() throws {
        let store = try store(tries: 1, blocks: true)
        try faults("{\"operation\": \"PutBlock\", \"reset_request_after\": 100, \"nth\": 3, \"count\": 2}")
        expectError(.unreachable) { try store.put(name, bytes.rawSpan, mode: .ifAbsent) }
        #expect(try store.stat(name) == nil)
        try store.list(prefix: "") { Issue.record("\($0.name) is not a blob yet") }
        try store.put(name, bytes.rawSpan, mode: .ifAbsent)
        let isSame = try read(store) == bytes
        #expect(isSame)
    }

    /// Several writers upload parts of one name at once: exactly one of the blobs comes to be, whole.
    @Test func concurrentUploadsOfBlocks() throws {
        let stores = try (0..<4).map { _ in try store(blocks: true) }
        let place = stores[0].place
        let all = try stores.map { store in
            AzureBlobStore(place, access: try emulator.access(), exchange: impatient(waits), options: store.options)
        }
        let results = Results()
        let threads = all.enumerated().map { number, store in
            OwnedThread(name: "put-\(number)") { [name] in
                let own = [UInt8](repeating: UInt8(number), count: 2_500_000)
                do {
                    try store.put(name, own.rawSpan, mode: .ifAbsent)
                    results.note(number)
                } catch { #expect((error as? CairnError)?.code == .alreadyExists, "\(error)") }
            }
        }
        threads.forEach { $0.join() }
        let winner = try #require(results.all.first)
        #expect(results.all.count == 1)
        let isWhole = try read(all[0]) == [UInt8](repeating: UInt8(winner), count: 2_500_000)
        #expect(isWhole)
    }
}
