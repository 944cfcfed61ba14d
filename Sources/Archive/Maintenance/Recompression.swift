import Bytes
import ObjectStore

/// How to compress anew.
public struct RecompressionOptions: Sendable {
    /// zstd level, 1 to 19.
    public var level: Int
    /// Threads, each with codecs of its own.
    public var workers: Int
    /// Say what would be done, from a sample of each pack, and do nothing.
    public var dryRun = false
    /// A pack is finished once it has this many bytes.
    var packTarget = 16 << 20

    /// - Precondition: `level` is one that zstd has; `workers` is positive.
    public init(level: Int, workers: Int) {
        precondition(ZstdCompressor.levels.contains(level) && workers > 0)
        self.level = level
        self.workers = workers
    }
}

/// What compressing anew did, or would do. All sizes in bytes.
public struct RecompressionReport: Sendable, Hashable {
    /// Packs that there were, condemned ones left out.
    public var packs = 0
    /// Their size.
    public var packBytes = 0
    /// Packs at the level already, or at a higher one.
    public var packsAtLevel = 0
    /// Packs that stay, for too little is to be won in them.
    public var packsKept = 0
    /// Packs that were written anew, and condemned.
    public var packsRewritten = 0
    /// The chunks that are needed in these, before.
    public var bytesBefore = 0
    /// The same chunks now; in a dry run an estimate.
    public var bytesAfter = 0
    /// Packs that were found to be of no use, and condemned: what an interrupted run left, mostly.
    public var packsUseless = 0
    /// Whether nothing was touched.
    public var dryRun = false
}

/// Compresses what is stored at another zstd level, for long retention. Chunk ids stay, since they are those of the
/// plaintext: snapshots, segments and leaves are not touched.
///
/// Packs that are at the level, as index objects say ([I-3]), are not read. Of every other one the needed chunks are
/// decoded, compared with their ids, compressed, decoded again and compared; each is kept in whichever form is smaller.
/// A pack is rewritten when that saves at least 3 % of it; the first eighth of its bytes must promise that, or it is
/// left without trying the rest. New packs are durable and named by index objects before the old ones are condemned;
/// prune removes those. Packs that stay are noted as tried. Killed anywhere, the next run goes on.
/// format-spec.md §11.2.
public struct Recompression {
    /// What must be saved of a pack for it to be rewritten.
    static let shareMin = 0.03

    private let repository: Repository
    private let options: RecompressionOptions
    private let checkpoint: @Sendable () throws -> Void

    /// - Parameter checkpoint: is called before each chunk, from several threads, and may throw to stop.
    public init(
        _ repository: Repository, options: RecompressionOptions,
        checkpoint: @escaping @Sendable () throws -> Void = {}
    ) {
        self.repository = repository
        self.options = options
        self.checkpoint = checkpoint
    }

    /// Does it, beside running backups.
    ///
    /// - Throws: whatever keeps it from seeing or copying everything: `.corrupt`, `.unsupportedFormat`, `.io`. Nothing
    ///   was taken out of service then. `.held` while maintenance or prune runs.
    public func run() throws -> RecompressionReport {
        guard !options.dryRun else { return try rewrite(under: nil) }
        try repository.requireWritable()
        let lease = try Lease.acquire(.pruner, in: repository, note: "recompression")
        defer { lease.release() }
        try repository.requireNothingUnknown()
        return try lease.overseeing { try rewrite(under: lease) }
    }

    private func rewrite(under lease: Lease?) throws -> RecompressionReport {
        let (options, checkpoint) = (options, checkpoint)
        let repository = try repository.withColumns(stored: lease != nil)
        let effort = repository.effort(ofLevel: options.level)
        let plan = try RewritePlan(repository, choosing: { ($0.level ?? 0) < effort })
        let outcomes = try Parallel.map(plan.packs, threads: options.workers, name: "cairn-recompress") {
            PackRecompressor(repository, options, checkpoint)
        } each: {
            try $0.recompress(plan.chunks(of: $1))
        } finish: {
            try $0.finish()
        }
        let report = describe(plan, outcomes)
        guard let lease else { return report }
        var rewritten: [RandomID] = []
        var kept: Set<RandomID> = []
        for (pack, outcome) in zip(plan.packs, outcomes) {
            if outcome.isWorthwhile { rewritten.append(pack.identity.id) } else { kept.insert(pack.identity.id) }
        }
        try lease.requireHeld()
        let condemned = (rewritten + plan.useless).sorted()
        if !condemned.isEmpty { try repository.condemn(condemned) }
        try note(kept, effort: effort, under: lease)
        return report
    }

    private func describe(_ plan: RewritePlan, _ outcomes: [PackRecompressor.Outcome]) -> RecompressionReport {
        var report = RecompressionReport()
        report.dryRun = options.dryRun
        report.packs = plan.sizes.count
        report.packBytes = plan.sizes.values.reduce(0, +)
        report.packsUseless = plan.useless.count
        report.packsAtLevel = plan.sizes.count - plan.packs.count - plan.useless.count
        for outcome in outcomes {
            guard outcome.isWorthwhile else {
                report.packsKept += 1
                continue
            }
            report.packsRewritten += 1
            report.bytesBefore += outcome.before
            report.bytesAfter += outcome.after
        }
        return report
    }

    /// Notes in the index that packs were tried, by replacing the index objects that name them.
    private func note(_ tried: Set<RandomID>, effort: Int, under lease: Lease) throws {
        guard !tried.isEmpty else { return }
        var old: [RandomID] = []
        var packs: [RandomID: PackContents] = [:]
        try repository.forEachIndex { id, object in
            guard object.packs.contains(where: { tried.contains($0.identity.id) }) else { return }
            old.append(id)
            for pack in object.packs { packs[pack.identity.id, default: pack].merge(pack) }
        }
        for id in tried { packs[id]?.level = effort }
        try repository.replaceIndexes(
            old.sorted(), by: packs.values.sorted { $0.identity.id < $1.identity.id }, under: lease)
    }
}

/// Compresses packs anew, one after the other. Confined to one thread.
private final class PackRecompressor {
    struct Outcome: Sendable {
        /// Bytes of the chunks in the old pack and in the new one; in a dry run the latter is extrapolated.
        var before = 0
        var after = 0

        var isWorthwhile: Bool { Double(before - after) >= Recompression.shareMin * Double(before) }
    }

    private let options: RecompressionOptions
    private let checkpoint: @Sendable () throws -> Void
    private let repository: Repository
    private let rewriter: PackRewriter
    private let effort: Int
    private let opener: ChunkOpener
    private let hasher: ChunkHasher
    private let compressor: ChunkCompressor
    private let decompressor = ChunkDecompressor()
    private let stored = Buffer(capacity: 0)
    private let plaintext = Buffer(capacity: 0)
    private let decoded = Buffer(capacity: 0)
    /// One old pack's chunks in their new form, until it is known whether they are worth it.
    private let encoded = Buffer(capacity: 0)

    init(_ repository: Repository, _ options: RecompressionOptions, _ checkpoint: @escaping @Sendable () throws -> Void)
    {
        self.repository = repository
        self.options = options
        self.checkpoint = checkpoint
        // At high levels a pack takes many seconds, so an index object every few of them.
        rewriter = PackRewriter(repository, packTarget: options.packTarget, packsPerIndex: 16)
        opener = repository.makeChunkOpener()
        hasher = ChunkHasher(keys: repository.keys)
        compressor = repository.makeChunkCompressor(level: options.level)
        effort = repository.effort(ofLevel: options.level)
    }

    func recompress(_ all: [(id: ChunkID, location: ChunkLocation)]) throws -> Outcome {
        let total = all.reduce(0) { $0 + $1.location.storedCount }
        var outcome = Outcome()
        var chunks: [(chunk: EncodedChunk, range: Range<Int>)] = []
        let encoded = encoded
        encoded.removeAll()
        for (id, location) in all {
            try checkpoint()
            let start = encoded.count
            let chunk = try encode(id, location)
            chunks.append((chunk, start..<encoded.count))
            outcome.before += location.storedCount
            outcome.after += encoded.count - start + AESGCM.tagByteCount
            if outcome.before >= total / 8, options.dryRun || !outcome.isWorthwhile {
                return extrapolated(outcome, to: total)
            }
        }
        guard outcome.isWorthwhile, !options.dryRun else { return outcome }
        for (chunk, range) in chunks { try rewriter.add(chunk, encoded.bytes.extracting(range), level: effort) }
        return outcome
    }

    private func extrapolated(_ sample: Outcome, to total: Int) -> Outcome {
        let share = Double(sample.after) / Double(max(1, sample.before))
        return Outcome(before: total, after: Int((Double(total) * share).rounded()))
    }

    func finish() throws {
        if !options.dryRun { try rewriter.finish() }
    }

    /// Appends the chunk's smaller form to `encoded`. Whichever it is, it was decoded just now. format-spec.md §6.3
    /// [C-4].
    private func encode(_ id: ChunkID, _ location: ChunkLocation) throws -> EncodedChunk {
        let (stored, plaintext, decoded, encoded) = (stored, plaintext, decoded, encoded)
        let name = Names.packText(location.pack.id)
        stored.removeAll()
        try repository.store.get(Names.pack(location.pack.id), range: location.range, into: stored)
        plaintext.removeAll()
        try opener.open(id, at: location, stored: stored.bytes, into: plaintext)
        guard hasher.id(of: plaintext.bytes, type: location.type) == id else {
            throw CairnError(
                .corrupt, "chunk \(id.hex) holds something else than its name says: whoever wrote it was faulty",
                object: name, offset: location.offset)
        }
        let start = encoded.count
        let encoding = compressor.encode(plaintext.bytes, type: location.type, appendingTo: encoded)
        if encoded.count - start < location.storedCount - AESGCM.tagByteCount {
            decoded.removeAll()
            let frame = encoded.bytes.extracting(start..<encoded.count)
            let isWhole = decompressor.decode(frame, encoding, rawCount: plaintext.count, appendingTo: decoded)
            guard isWhole, spansEqual(decoded.bytes, plaintext.bytes) else {
                throw CairnError(
                    .corrupt,
                    "a chunk did not decode to what was compressed, so nothing was changed: this machine's memory or "
                        + "its libzstd \(ZstdVersion.text) is faulty", object: name, offset: location.offset)
            }
            return EncodedChunk(id: id, type: location.type, encoding: encoding, rawCount: plaintext.count)
        }
        encoded.truncate(to: start)
        try opener.openEncoded(id, at: location, into: encoded) { $0.append(stored.bytes) }
        return EncodedChunk(id: id, type: location.type, encoding: location.encoding, rawCount: plaintext.count)
    }
}
