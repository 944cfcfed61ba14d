public import BSON

/// One collection of the benchmark's data.
public struct BenchCollection: Sendable {
    /// The database's name.
    public let db: String
    /// The collection's name.
    public let name: String
    /// How many documents it holds.
    public let documents: Int
    /// Its secondary indexes, as `createIndexes` takes them.
    public let indexes: [BSONDocument]
    /// Which generator makes its documents.
    let kind: BenchDataKind
}

/// The kinds of documents that an online-learning platform keeps, and how many of each in a gibibyte.
enum BenchDataKind: UInt64, CaseIterable, Sendable {
    case users, courses, enrollments, submissions, attempts, events, presence

    /// Documents per MiB of all data. With their sizes (see each generator) the shares are: submissions 40 %, events
    /// 29 %, attempts 17 %, the rest 14 %; the median document has some 230 bytes, the mean 425.
    var documentsPerMebibyte: Int {
        switch self {
        case .users: 98
        case .courses: 2
        case .enrollments: 390
        case .submissions: 118
        case .attempts: 350
        case .events: 1_330
        case .presence: 140
        }
    }
}

/// Deterministic, realistic data for benchmarks: what follows from a seed and a size is the same everywhere.
///
/// Documents come in blocks, each a function of seed, collection and block number alone, so several threads can make
/// them and any order gives the same documents. About a gibibyte of it is 2.5 million documents of 50 bytes to 50 kB,
/// which zstd level 3 brings to about a third.
public struct BenchData: Sendable {
    /// What all randomness follows from.
    public let seed: UInt64
    /// In the order in which they are to be made.
    public let collections: [BenchCollection]

    /// Documents of a full block.
    public static let blockDocuments = 1_000

    /// About `mebibytes` of documents (within a few per cent for 16 and more).
    public init(seed: UInt64, mebibytes: Int) {
        precondition(mebibytes > 0)
        self.seed = seed
        collections = BenchDataKind.allCases.map { kind in
            let schema = kind.schema
            return BenchCollection(
                db: schema.db, name: schema.name, documents: kind.documentsPerMebibyte * mebibytes,
                indexes: schema.indexes, kind: kind)
        }
    }

    /// How many blocks `collection` has; the last may be short.
    public func blocks(of collection: BenchCollection) -> Int {
        (collection.documents + Self.blockDocuments - 1) / Self.blockDocuments
    }

    func documents(of kind: BenchDataKind) -> Int {
        collections.first { $0.kind == kind }.map(\.documents) ?? 1
    }
}

/// Makes blocks of one `BenchData`; for one thread at a time, memory is reused from block to block.
public struct BenchDataGenerator {
    private let data: BenchData
    private let population: BenchDataPopulation
    private let keys = BenchDataKeys()
    private var writer = BenchDataWriter(capacity: 1 << 20)

    /// A generator of `data`.
    public init(_ data: BenchData) {
        self.data = data
        population = BenchDataPopulation(data)
    }

    /// The documents of the block last made, one behind the other.
    public var bytes: [UInt8] { writer.bytes }

    /// Makes block `number` of `collection` and returns how many documents it holds.
    public mutating func generate(_ collection: BenchCollection, block number: Int) -> Int {
        let first = number * BenchData.blockDocuments
        let end = min(first + BenchData.blockDocuments, collection.documents)
        let part = (collection.kind.rawValue << 40) | UInt64(number)
        var random = SeededGenerator(seed: data.seed, part: part)
        writer.removeAll()
        for index in first..<end { append(collection.kind, index, &random) }
        return end - first
    }

    private mutating func append(_ kind: BenchDataKind, _ index: Int, _ random: inout SeededGenerator) {
        writer.beginDocument()
        switch kind {
        case .users: writer.appendUser(index, keys, population, &random)
        case .courses: writer.appendCourse(index, keys, population, &random)
        case .enrollments: writer.appendEnrollment(index, keys, population, &random)
        case .submissions: writer.appendSubmission(index, keys, population, &random)
        case .attempts: writer.appendAttempt(index, keys, population, &random)
        case .events: writer.appendEvent(index, keys, population, &random)
        case .presence: writer.appendPresence(index, keys, population, &random)
        }
        writer.endDocument()
    }
}

/// What documents of one collection know of the others: how many there are, and their ids.
struct BenchDataPopulation: Sendable {
    let seed: UInt64
    let text: BenchDataText
    let users: Int
    let courses: Int

    init(_ data: BenchData) {
        seed = data.seed
        text = BenchDataText(seed: data.seed)
        users = data.documents(of: .users)
        courses = data.documents(of: .courses)
    }

    func id(_ kind: BenchDataKind, _ index: Int) -> BenchDataID {
        let step = kind == .users || kind == .courses ? 4_000 : 300
        return BenchDataID(kind: kind.rawValue, index: index, seed: seed, secondsBetween: step)
    }

    /// A user who does something; some do much more than others.
    func anyUser(_ random: inout SeededGenerator) -> BenchDataID { id(.users, random.skewed(below: users)) }

    /// Milliseconds since 1970, somewhere in the quarter of an hour around the `index`-th event of its kind.
    func date(_ index: Int, secondsBetween step: Double, _ random: inout SeededGenerator) -> UInt64 {
        UInt64(1_650_000_000_000 + Int(Double(index) * step * 1_000) + random.below(900_000))
    }
}
