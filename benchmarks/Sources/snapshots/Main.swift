import Archive
import BSON
import Bytes
import Glibc
import ObjectStore

/// `snapshots --out DIRECTORY --key-file FILE [--count N]`: makes a repository of many empty snapshots, one an hour up
/// to now and every 24th a full one, with the oplog segments between them: what verbs cost that look at all of them.
@main
struct Main {
    static func main() throws {
        var out: String?
        var key: String?
        var count = 10_000
        var arguments = CommandLine.arguments.dropFirst()
        while let option = arguments.popFirst() {
            guard let value = arguments.popFirst() else { fatalError("\(option) needs a value") }
            switch option {
            case "--out": out = value
            case "--key-file": key = value
            case "--count": count = Int(value) ?? count
            default: fatalError("unknown option \(option)")
            }
        }
        guard let out, let key else { fatalError("--out and --key-file are needed") }
        let repository = try Repository.create(
            store: try LocalStore.create(path: out), key: .keyFile(try read(key)))
        let now = Int(time(nil))
        var last: OpTime?
        for number in 0..<count {
            let optime = OpTime(
                timestamp: Timestamp(t: UInt32(now - (count - number) * 3_600), i: 1), term: 1)
            if let last { try repository.writeSegment(segment(from: last, to: optime, repository)) }
            try repository.writeSnapshot(snapshot(number, optime, repository))
            last = optime
        }
        print("\(count) snapshots")
    }

    private static func read(_ path: String) throws -> SecretBytes {
        guard let file = unsafe fopen(path, "r") else { fatalError("cannot read \(path)") }
        defer { unsafe fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 32)
        let size = unsafe fread(&bytes, 1, 32, file)
        precondition(size == 32, "a key file holds 32 bytes")
        return SecretBytes(copying: bytes.rawSpan)
    }

    private static func snapshot(_ number: Int, _ optime: OpTime, _ repository: Repository) -> Snapshot {
        let milliseconds = Int64(optime.timestamp.t) * 1_000
        return Snapshot(
            id: repository.newID(), kind: number % 24 == 0 ? .full : .incremental, parent: nil,
            at: optime.timestamp, started: milliseconds, finished: milliseconds + 1_000,
            source: Snapshot.Source(
                set: "rs0", host: "db.example.org:27017", serverVersion: "6.0.5", featureCompatibilityVersion: "6.0"),
            scanOrder: .natural, tags: number % 24 == 0 ? ["nightly"] : [], catalogue: [],
            totals: Snapshot.Totals(namespaces: 0, documents: 0, rawBytes: 0, chunks: 0, addedBytes: 0), warnings: [],
            exact: true, term: optime.term)
    }

    private static func segment(from: OpTime, to: OpTime, _ repository: Repository) -> Segment {
        Segment(
            id: repository.newID(), set: "rs0", host: "db.example.org:27017", from: from, to: to,
            created: Int64(to.timestamp.t) * 1_000, firstWall: nil, lastWall: nil, entries: 0, rawBytes: 0,
            addedBytes: 0, chunks: [])
    }
}
