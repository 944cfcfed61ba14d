import Archive
import BSON
import Bytes
import ObjectStore
import Synchronization

/// The whole engine: documents from memory into a local repository, again, and `check --read-data`.
struct EngineRun {
    let corpus: Corpus
    let workers: Int
    let directory: String

    private let key = KeySource.keyFile(SecretBytes(copying: [UInt8](repeating: 7, count: 32).rawSpan))

    func run(level: Int) throws {
        let path = "\(directory)/level-\(level)"
        let repository = try Repository.create(store: try LocalStore.create(path: path), key: key)
        print("\nThe engine at level \(level), \(workers) workers, \(path)")
        var progress = WriterProgress()
        let first = try Measurement.of { progress = try backUp(repository, level) }
        line("first backup", first)
        stages(progress.stages, first)
        print(
            "    stored \(column(Double(progress.addedBytes) / Double(corpus.bytes) * 100, 0, digits: 1)) %, "
                + "\(progress.chunks) chunks, \(progress.packs) packs, peak memory \(column(peakMemoryMiB(), 0)) MiB "
                + "with the \(corpus.bytes >> 20) MiB of documents")
        let second = try Measurement.of { progress = try backUp(repository, level) }
        line("second backup, nothing changed", second)
        print("    added \(progress.addedBytes) bytes, \(progress.newChunks) new chunks")
        allocations(first, second, chunks: progress.chunks)
        var report = CheckReport()
        let options = CheckOptions(data: .all, workers: workers)
        let check = try Measurement.of { report = try Check.run(repository, options: options) }
        line("check --read-data", check)
        precondition(report.isSound && report.documentsRead == corpus.documents)
    }

    private func line(_ name: String, _ measured: Measurement) {
        let megabytes = Double(corpus.bytes) / 1e6
        print(
            "  " + column(name, 32) + column(megabytes / measured.wall, 7) + " MB/s,"
                + column(megabytes / measured.cpu, 6) + " MB per CPU second, "
                + column(measured.wall, 0, digits: 2) + " s wall, " + column(measured.cpu, 0, digits: 2) + " s CPU")
    }

    /// Both runs handle the same documents and chunks, so allocations per document would show in either.
    private func allocations(_ first: Measurement, _ second: Measurement, chunks: Int) {
        for (name, measured) in [("first", first), ("second", second)] {
            let perDocument = Double(measured.allocations) / Double(corpus.documents)
            let perChunk = Double(measured.allocations) / Double(chunks)
            precondition(perDocument < 0.1, "the data path allocates per document")
            print(
                "    allocations, \(name) backup: \(measured.allocations), "
                    + "\(column(perDocument, 0, digits: 2)) a document, \(column(perChunk, 0, digits: 1)) a chunk")
        }
    }

    private func stages(_ stages: StageTimes, _ measured: Measurement) {
        let total = measured.cpu
        let known = stages.hash + stages.compress + stages.verify + stages.seal + stages.put
        for (name, nanoseconds) in [
            ("readers: chunking, copying", Int(total * 1e9) - known),
            ("HMAC", stages.hash), ("zstd", stages.compress), ("decode check", stages.verify),
            ("AES-GCM", stages.seal), ("writing packs", stages.put),
        ] {
            let seconds = Double(nanoseconds) / 1e9
            print(
                "    " + column(name, 28) + column(seconds, 7, digits: 2) + " s"
                    + column(seconds / total * 100, 6) + " % of the CPU time")
        }
    }

    private func backUp(_ repository: Repository, _ level: Int) throws -> WriterProgress {
        let options = WriterOptions(workers: workers, level: level, streams: 2)
        let writer = ArchiveWriter(repository: repository, index: try .load(repository), options: options)
        let next = Counter()
        let readers = (0..<2).map { number in
            OwnedThread(name: "reader-\(number)") {
                do {
                    while let stream = next.take(below: corpus.streams.count) {
                        try feed(corpus.streams[stream], to: writer.makeStream())
                    }
                } catch {
                    print("reader: \(error)")
                }
            }
        }
        for reader in readers { reader.join() }
        try writer.flush()
        writer.abort()
        return writer.progress
    }

    private func feed(_ documents: Buffer, to stream: ChunkStream) throws {
        var batch = DocumentBatch.Chunk(documents.bytes)
        while let document = try batch.next() {
            try stream.append(document: document, identity: try DocumentIdentity.idBytes(of: document))
        }
        try stream.finish()
    }

    private final class Counter: Sendable {
        private let value = Atomic(0)
        func take(below limit: Int) -> Int? {
            let taken = value.add(1, ordering: .relaxed).oldValue
            return taken < limit ? taken : nil
        }
    }
}
