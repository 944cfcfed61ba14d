import Bytes
import Glibc
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

    @Test("local, on the simulated disk")
    func simulated() throws {
        try StoreConformance { LocalStore(files: SimulatedDisk(), location: "simulated") }.run()
    }

    @Test("local, on a file system without hard links and locks of files")
    func withoutLinks() throws {
        let directory = try TemporaryDirectory()
        var number = 0
        try StoreConformance {
            number += 1
            _ = try LocalStore.create(path: directory.appending("\(number)"))
            let base = try LinuxFileSystem(directory: directory.appending("\(number)"))
            let files = FaultyFileSystem(base) { call in
                switch call.operation {
                case .link: .error(EPERM)
                case .lock where call.path != "tmp": .error(ENOLCK)
                default: nil
                }
            }
            return LocalStore(files: files, location: "without links")
        }.run()
    }

    @Test("local, with interrupted and short calls")
    func interrupted() throws {
        try StoreConformance {
            let files = FaultyFileSystem(SimulatedDisk()) { call in
                switch call.operation {
                case _ where call.number % 3 == 1 && call.operation != .lock: .error(EINTR)
                case .write, .read: .short(1 + call.number * 7919 % 3_000_000)
                default: nil
                }
            }
            return LocalStore(files: files, location: "interrupted")
        }.run()
    }

    @Test("retrying, over a store that often fails")
    func retrying() throws {
        try StoreConformance {
            let failing = FaultInjectingStore(MemoryStore()) { call in
                let error = CairnError(.unreachable, "injected")
                return switch call.index % 5 {
                case 0: .fail(error)
                case 2: .loseAnswer(error)
                default: nil
                }
            }
            return RetryingStore(failing, policy: RetryPolicy(triesMax: 20, wait: { _ in }))
        }.run()
    }

    @Test("throttled")
    func throttled() throws {
        try StoreConformance {
            ThrottledStore(MemoryStore(), uploadRate: 1 << 20, downloadRate: 1 << 20, wait: { _ in })
        }.run()
    }

    @Test("read ahead")
    func readAhead() throws {
        try StoreConformance { ReadAheadStore(MemoryStore()) }.run()
    }

    @Test("fault injecting, without a fault")
    func withoutFault() throws {
        try StoreConformance { FaultInjectingStore(MemoryStore()) }.run()
    }
}
