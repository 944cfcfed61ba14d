import BSON
import Bytes
import ObjectStore
import Testing

@testable import Archive

/// The chain of audit records. format-spec.md §9.6.
@Suite struct AuditTests {
    private let store = MemoryStore()

    private func make(records: Int) throws -> (Repository, [RandomID]) {
        let repository = try Repository.create(
            store: store, parameters: .cheap, key: .keyFile(1), surroundings: .seeded("audit"))
        let ids = try (0..<records).map {
            try repository.appendAudit(operation: "backup", program: "cairn test", details: ["n": .int32(Int32($0))])
        }
        return (repository, ids)
    }

    /// [H-1] [H-2]
    @Test func aChain() throws {
        let (repository, ids) = try make(records: 100)
        let report = try repository.verifyAudit()
        #expect(report.problems.isEmpty)
        #expect(report.records.map(\.id) == ids)
        #expect(report.heads == [ids[99]])
        #expect(ids.sorted() == ids)
        #expect(report.records[5].details == ["n": 5])
        for (earlier, later) in zip(report.records, report.records.dropFirst()) {
            #expect(later.previous.map(\.id) == [earlier.id])
        }
    }

    /// [H-1]: two writers that did not see each other; the next record joins them.
    @Test func forksAreJoined() throws {
        let (repository, ids) = try make(records: 2)
        let fork = AuditRecord(
            id: RandomID(hex: "ffffffffffff00000000000000000000")!, at: 5, operation: "check", program: "other",
            details: [:], previous: [])
        try repository.writeSealed(fork.encode(), kind: .audit, id: fork.id)
        #expect(Set(try repository.verifyAudit().heads) == [ids[1], fork.id])
        let join = try repository.appendAudit(operation: "backup", program: "cairn test", details: [:])
        let report = try repository.verifyAudit()
        #expect(report.heads == [join])
        #expect(report.problems.isEmpty)
    }

    /// [H-3]
    @Test func removalAndReplacementAreFound() throws {
        let (repository, ids) = try make(records: 5)
        let kept = Buffer(capacity: 1024)
        try store.get(Names.object(.audit, ids[2]), into: kept)
        try store.delete(Names.object(.audit, ids[2]))
        var problems = try repository.verifyAudit().problems
        #expect(problems.map(\.object) == ["audit/" + ids[2].hex])
        // Another authentic record under the same name: only who has the keys can make it, and the hash still tells.
        let forged = AuditRecord(
            id: ids[2], at: 5, operation: "backup", program: "cairn test", details: [:], previous: [])
        try repository.writeSealed(forged.encode(), kind: .audit, id: forged.id)
        problems = try repository.verifyAudit().problems
        #expect(problems.contains { $0.object == "audit/" + ids[2].hex && $0.message.contains("replaced") })
        try store.put(Names.object(.audit, ids[2]), kept.bytes, mode: .replace)
        #expect(try repository.verifyAudit().problems.isEmpty)
        try store.mutate(Names.object(.audit, ids[3])) { $0[80] ^= 1 }
        #expect(try !repository.verifyAudit().problems.isEmpty)
        // A damaged record does not keep the next operation from leaving its own.
        let next = try repository.appendAudit(operation: "backup", program: "cairn test", details: [:])
        #expect(try repository.verifyAudit().heads.contains(next))
        // What cannot be seen: the newest one gone.
        try store.delete(Names.object(.audit, next))
        #expect(try repository.verifyAudit().problems.count == 2)
    }
}
