import Bytes
import ObjectStore
import TestSupport
import Testing

/// Cuts a few puts and deletes off at every change they make, in all ways a disk can forget, and looks at what is left.
@Suite("Power cuts")
struct PowerCutTests {
    private static let names = ["config", "packs/ab/1", "packs/ab/2", "packs/cd/3", "indexes/4"].map {
        ObjectName(trusted: $0)
    }

    private static func content(_ name: ObjectName) -> [UInt8] {
        var dice = Dice(seed: UInt64(name.path.utf8.reduce(0) { Int($0) * 31 + Int($1) }))
        return (0..<3000).map { _ in UInt8(truncatingIfNeeded: dice.next()) }
    }

    /// What returned before the cut.
    private struct Acknowledged {
        var stored: Set<ObjectName> = []
        var deleted: Set<ObjectName> = []
        var lease = 0
    }

    private static let lease = ObjectName(trusted: "leases/l")

    private static func work(on files: FaultyFileSystem) -> Acknowledged {
        var done = Acknowledged()
        let store = LocalStore(files: files, location: "cut")
        do {
            for (index, name) in names.enumerated() {
                try store.put(name, content(name).rawSpan, mode: .ifAbsent)
                done.stored.insert(name)
                try store.put(lease, "lease \(index + 1)", mode: .replace)
                done.lease = index + 1
            }
            done.stored.remove(names[1])
            try store.delete(names[1])
            done.deleted.insert(names[1])
        } catch {}
        return done
    }

    @Test("what was put is there, what is there is whole, and the rest can be put again")
    func everyChange() throws {
        let total = FaultyFileSystem(SimulatedDisk(), stoppingAt: nil)
        #expect(Self.work(on: total).deleted.count == 1)
        #expect(total.changes > 50)
        // The last round cuts after all is done.
        for change in 1...total.changes + 1 {
            let disk = SimulatedDisk()
            let files = FaultyFileSystem(disk, stoppingAt: change)
            let done = Self.work(on: files)
            #expect(files.isStopped == (change <= total.changes))
            var cuts: [SimulatedDisk.PowerCut] = [.losingAll, .losingNothing]
            for seed in 0..<8 { cuts.append(.random(seed: UInt64(change * 100 + seed))) }
            for cut in cuts {
                try verify(disk.afterPowerCut(cut), done, "change \(change), \(cut)")
            }
        }
    }

    private func verify(_ disk: SimulatedDisk, _ done: Acknowledged, _ place: Comment) throws {
        let store = LocalStore(files: disk, location: "after")
        let found = Set(try store.names("").map { ObjectName(trusted: $0) })
        #expect(done.stored.isSubset(of: found), place)
        #expect(done.deleted.isDisjoint(with: found), place)
        for name in found where name != Self.lease {
            let buffer = Buffer(capacity: 0)
            try store.get(name, into: buffer)
            #expect(buffer.array == Self.content(name), place)
        }
        if done.lease > 0 {
            let text = try store.text(Self.lease)
            #expect(text == "lease \(done.lease)" || text == "lease \(done.lease + 1)", place)
        }
        try store.settle(Array(found))
        for name in Self.names where !found.contains(name) {
            try store.put(name, Self.content(name).rawSpan, mode: .ifAbsent)
        }
        let again = LocalStore(files: disk.afterPowerCut(.losingAll), location: "again")
        for name in found.union(Self.names) { #expect(try again.stat(name) != nil, place) }
    }

    @Test("the simulated disk does forget")
    func simulationForgets() throws {
        let disk = SimulatedDisk()
        try disk.makeDirectory("d")
        let file = try disk.open("d/f", .create)
        _ = try disk.write(file, [1, 2, 3].rawSpan)
        try disk.sync(file)
        #expect(try disk.afterPowerCut(.losingAll).names(in: "").isEmpty)
        let root = try disk.open("", .directory)
        try disk.sync(root)
        #expect(try disk.afterPowerCut(.losingAll).names(in: "d").isEmpty)
        let directory = try disk.open("d", .directory)
        try disk.sync(directory)
        #expect(try disk.afterPowerCut(.losingAll).status("d/f", followingLinks: true).size == 3)
        _ = try disk.write(file, [UInt8](repeating: 9, count: 2000).rawSpan)
        #expect(try disk.afterPowerCut(.losingAll).status("d/f", followingLinks: true).size == 3)
        #expect(try disk.afterPowerCut(.losingNothing).status("d/f", followingLinks: true).size == 2003)
        let sizes = try (0..<20).map {
            try disk.afterPowerCut(.random(seed: $0)).status("d/f", followingLinks: true).size
        }
        #expect(Set(sizes).count > 5)
        #expect(sizes.allSatisfy { (3...2003).contains($0) })
    }
}
