import Bytes
import Foundation
import ObjectStore
import Synchronization
import TestSupport
import Testing

@Suite("Local store")
struct LocalStoreTests {
    private let name = ObjectName(trusted: "packs/ab/abcd")

    @Test("a missing directory, or a file, is no repository")
    func openErrors() throws {
        let directory = try TemporaryDirectory()
        let missing = directory.appending("none")
        let error = expectError(.noRepository) { _ = try LocalStore.open(path: missing) }
        #expect(error?.description.contains(missing) == true)
        #expect(error?.description.contains("cairn init") == true)
        try Data().write(to: URL(filePath: directory.appending("file")))
        expectError(.noRepository) { _ = try LocalStore.open(path: directory.appending("file")) }
        expectError(.io) { _ = try LocalStore.create(path: directory.appending("file/below")) }
        #expect(!FileManager.default.fileExists(atPath: missing))
    }

    @Test("opening and reading write nothing")
    func readOnly() throws {
        let directory = try TemporaryDirectory()
        let store = try LocalStore.open(path: directory.path)
        #expect(try store.names("").isEmpty)
        #expect(try store.stat(name) == nil)
        try store.delete(name)
        expectError(.notFound) { try store.get(name, into: Buffer(capacity: 0)) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }

    /// Large writes go around the page cache in whole pages: every remainder, and every alignment, must come back.
    @Test("objects around the limits of direct I/O", arguments: [-1, 0, 1, 4095, 4096, 4097, 3 << 20])
    func directWrites(beyond: Int) throws {
        let directory = try TemporaryDirectory()
        let store = try LocalStore.create(path: directory.appending("root"))
        let content = Buffer(copying: SecureRandom.bytes((1 << 20) + beyond))
        try store.put(name, content.bytes, mode: .ifAbsent)
        let unaligned = ObjectName(trusted: "packs/ab/abce")
        try store.put(unaligned, content.bytes.extracting(1..<content.count), mode: .ifAbsent)
        let found = Buffer(capacity: 0)
        try store.get(name, into: found)
        #expect(found.array == content.array)
        found.removeAll()
        try store.get(unaligned, into: found)
        #expect(found.array == Array(content.array[1...]))
    }

    @Test("directories have mode 0700, files 0600, and no temporary file stays")
    func modes() throws {
        let directory = try TemporaryDirectory()
        let root = directory.appending("a/b")
        let store = try LocalStore.create(path: root)
        try store.put(name, "x")
        try store.put(ObjectName(trusted: "leases/l"), "x", mode: .replace)
        expectError(.alreadyExists) { try store.put(name, "y") }
        func mode(_ path: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }
        for path in ["", "/packs", "/packs/ab", "/tmp"] { #expect(try mode(root + path) == 0o700) }
        for path in ["/packs/ab/abcd", "/leases/l"] { #expect(try mode(root + path) == 0o600) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: root + "/tmp").isEmpty)
    }

    @Test("what is no object is passed over, links to directories are followed")
    func foreignFiles() throws {
        let directory = try TemporaryDirectory()
        let store = try LocalStore.create(path: directory.appending("repository"))
        try store.put(name, "x")
        let root = directory.appending("repository/")
        for path in [".DS_Store", "packs/README.txt", "packs/ab/.abcd.swp", "tmp/0123", "packs/ab/not an object"] {
            try Data().write(to: URL(filePath: root + path))
        }
        try FileManager.default.createDirectory(atPath: root + "lost+found", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(
            atPath: directory.appending("elsewhere"), withIntermediateDirectories: true)
        try Data().write(to: URL(filePath: directory.appending("elsewhere/s1")))
        try FileManager.default.createSymbolicLink(
            atPath: root + "snapshots", withDestinationPath: directory.appending("elsewhere"))
        #expect(try store.names("") == ["packs/ab/abcd", "snapshots/s1"])
    }

    @Test("a listing that cannot be complete throws")
    func listingErrors() throws {
        let directory = try TemporaryDirectory()
        let root = directory.appending("repository/")
        let store = try LocalStore.create(path: root)
        try store.put(name, "x")
        // A link to a disk that is not mounted.
        try FileManager.default.createSymbolicLink(atPath: root + "snapshots", withDestinationPath: "/nowhere/at/all")
        for prefix in ["", "snapshots/", "snapshots/ab/", "s"] {
            expectError(.io) { _ = try store.names(prefix) }
        }
        #expect(try store.names("packs/") == [name.path])
        #expect(try store.names("indexes/").isEmpty)
        // The directory itself is gone, although its descriptor still works.
        try FileManager.default.removeItem(atPath: directory.appending("repository"))
        expectError(.io) { _ = try store.names("") }
        expectError(.io) { _ = try store.names("packs/") }
    }

    @Test("any failing call of a listing fails the listing")
    func listingFaults() throws {
        let disk = SimulatedDisk()
        let plain = LocalStore(files: disk, location: "disk")
        for number in 0..<3 { try plain.put(ObjectName(trusted: "packs/\(number)/\(number)"), "x") }
        for fault in [EIO, EACCES, EMFILE, ESTALE] {
            var calls = 1
            var listed = false
            while !listed {
                let target = calls
                let files = FaultyFileSystem(disk) { call in
                    let sum = call.number
                    return (call.operation == .names && sum == target) || (call.operation == .status && sum == target)
                        ? .error(fault) : nil
                }
                do {
                    #expect(try LocalStore(files: files, location: "disk").names("").count == 3)
                    listed = true
                } catch let error as CairnError {
                    #expect(error.code == .io)
                }
                calls += 1
            }
            // The root, three directories below `packs`, and more looks at entries.
            #expect(calls > 5)
        }
    }

    @Test("a full disk is told as such, and leaves nothing")
    func noSpace() throws {
        let content = [UInt8](repeating: 7, count: 5000)
        for number in [ENOSPC, EDQUOT] {
            for operation in [FaultyFileSystem.Operation.create, .write, .sync, .link, .makeDirectory] {
                let disk = SimulatedDisk()
                let files = FaultyFileSystem(disk) { call in
                    switch call.operation {
                    case .write where call.number == 1: .short(2000)
                    case operation where operation != .write || call.number == 2: .error(number)
                    default: nil
                    }
                }
                let store = LocalStore(files: files, location: "full")
                let error = expectError(.noSpace) { try store.put(name, content.rawSpan, mode: .ifAbsent) }
                #expect(error?.object == name.path)
                #expect(error?.message.contains("free space") == true)
                let after = LocalStore(files: disk, location: "after")
                #expect(try after.names("").isEmpty)
                if operation != .makeDirectory { #expect(try disk.names(in: "tmp").isEmpty) }
                try after.put(name, content.rawSpan, mode: .ifAbsent)
            }
        }
    }

    @Test("a failed sync fails the put and takes the name back")
    func failedSync() throws {
        // Root (tmp), root (packs), packs (ab), the file, packs/ab.
        for failing in 1...5 {
            let disk = SimulatedDisk()
            let files = FaultyFileSystem(disk) { $0.operation == .sync && $0.number == failing ? .error(EIO) : nil }
            let store = LocalStore(files: files, location: "failing")
            expectError(.io) { try store.put(name, "content") }
            #expect(try store.stat(name) == nil)
            try store.put(name, "content")
            #expect(try LocalStore(files: disk.afterPowerCut(.losingAll), location: "after").text(name) == "content")
        }
    }

    @Test("a link that was made but answered with EEXIST is ours")
    func lostAnswerOfLink() throws {
        let files = FaultyFileSystem(SimulatedDisk()) { $0.operation == .link ? .loseAnswer(EEXIST) : nil }
        let store = LocalStore(files: files, location: "network")
        try store.put(name, "content")
        #expect(try store.text(name) == "content")
        expectError(.alreadyExists) { try store.put(name, "other") }
    }

    @Test("stale temporary files go, those of live writers and young ones stay")
    func sweeping() throws {
        let disk = SimulatedDisk()
        let first = LocalStore(files: disk, location: "disk")
        try first.put(name, "x")
        let live = try disk.open("tmp/live", .create)
        #expect(try disk.lock(live, waiting: false))
        disk.close(try disk.open("tmp/dead", .create))
        disk.now += 3599
        disk.close(try disk.open("tmp/young", .create))
        disk.now += 1
        try LocalStore(files: disk, location: "disk").put(ObjectName(trusted: "a"), "x")
        #expect(try disk.names(in: "tmp").sorted() == ["live", "young"])
        disk.close(live)
        disk.now += 3600
        // A store looks once.
        try first.put(ObjectName(trusted: "b"), "x")
        #expect(try disk.names(in: "tmp").sorted() == ["live", "young"])
        try LocalStore(files: disk, location: "disk").put(ObjectName(trusted: "c"), "x")
        #expect(try disk.names(in: "tmp").isEmpty)
    }

    @Test("a put that loses its temporary file fails")
    func lostTemporaryFile() throws {
        let disk = SimulatedDisk()
        let files = FaultyFileSystem(disk) { call in
            if call.operation == .link {
                for name in (try? disk.names(in: "tmp")) ?? [] { try? disk.unlink("tmp/\(name)") }
            }
            return nil
        }
        let store = LocalStore(files: files, location: "disk")
        expectError(.io) { try store.put(name, "x") }
        #expect(try store.stat(name) == nil)
    }

    @Test("concurrent stores on one directory agree who was first")
    func severalStores() throws {
        let directory = try TemporaryDirectory()
        let root = directory.path
        for round in 0..<20 {
            let name = ObjectName(trusted: "packs/\(round)/x")
            let winners = Counter()
            let threads = (0..<4).map { number in
                OwnedThread(name: "store-\(number)") {
                    do {
                        try LocalStore.open(path: root).put(name, "\(number)")
                        winners.add()
                    } catch let error as CairnError where error.code == .alreadyExists {
                    } catch { Issue.record(error) }
                }
            }
            for thread in threads { thread.join() }
            #expect(winners.count == 1)
        }
    }

    @Test("a truncated object is told with the offset at which it ends")
    func truncated() throws {
        let store = LocalStore(files: SimulatedDisk(), location: "disk")
        try store.put(name, "0123456789")
        let error = expectError(.corrupt) { try store.get(name, range: 5..<20, into: Buffer(capacity: 0)) }
        #expect(error?.offset == 10)
        #expect(error?.object == name.path)
    }

    @Test("a put into a known directory makes one pass of writes and two syncs, and a get three calls")
    func callsOfOnePut() throws {
        let calls = Mutex<[FaultyFileSystem.Operation]>([])
        let files = FaultyFileSystem(SimulatedDisk()) { call in
            calls.withLock { $0.append(call.operation) }
            return nil
        }
        let store = LocalStore(files: files, location: "disk")
        let content = [UInt8](repeating: 1, count: 16 << 20)
        try store.put(name, "first")
        calls.withLock { $0 = [] }
        try store.put(ObjectName(trusted: "packs/ab/second"), content.rawSpan, mode: .ifAbsent)
        #expect(calls.withLock { $0 } == [.create, .lock, .write, .sync, .link, .open, .sync, .unlink])
        calls.withLock { $0 = [] }
        try store.get(ObjectName(trusted: "packs/ab/second"), range: 5..<1000, into: Buffer(capacity: 0))
        #expect(calls.withLock { $0 } == [.open, .status, .read])
    }
}
