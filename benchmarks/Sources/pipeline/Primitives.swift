import Archive
import BSON
import Bytes

/// Each step of the pipeline alone, on one thread.
struct Primitives {
    let corpus: Corpus
    let runs: Int

    private let key = SecretBytes(copying: [UInt8](repeating: 1, count: 32).rawSpan)

    func run() {
        print("\nEach primitive alone, one thread, MB/s of raw documents")
        let chunks = cut()
        report("SipHash of _id + copy into chunks") { _ = cut() }
        let hmac = HMACSHA256(key: key)
        report("HMAC-SHA-256") { for chunk in chunks { _ = hmac.authenticate(prefix: 1, chunk.bytes) } }
        for level in [1, 3] {
            let encoded = compress(chunks, level: level)
            let stored = encoded.reduce(0) { $0 + $1.count }
            report("zstd level \(level) (to \(percent(stored)))") { _ = compress(chunks, level: level) }
            decompress(chunks, encoded, level)
            seal(encoded, level)
        }
        report("BSON validation") {
            for chunk in chunks {
                _ = try? BSONValidator.validateDocuments(inChunk: chunk.bytes, strictness: .server)
            }
        }
    }

    private func report(_ name: String, _ body: () -> Void) {
        let best = Measurement.best(of: runs, body)
        print(column("  " + name, 44) + column(Double(corpus.bytes) / 1e6 / best.cpu, 8))
    }

    private func percent(_ stored: Int) -> String {
        column(Double(stored) / Double(corpus.bytes) * 100, 0, digits: 1) + " %"
    }

    /// What a `ChunkStream` does, but for handing the chunks on; buffers are reused as by a pool.
    private func cut() -> [Buffer] {
        var chunks: [Buffer] = []
        var chunker = Chunker(hash: SipHash(key0: 1, key1: 2), sizes: .documents)
        var buffer = Buffer(capacity: 4 << 20)
        for stream in corpus.streams {
            var documents = DocumentBatch.Chunk(stream.bytes)
            while let document = try? documents.next() {
                guard let identity = try? DocumentIdentity.idBytes(of: document) else { continue }
                if chunker.mustEnd(beforeDocumentOf: document.byteCount) { end(&buffer, &chunks) }
                buffer.append(document)
                if chunker.endsChunk(after: identity, size: document.byteCount) { end(&buffer, &chunks) }
            }
        }
        if buffer.count > 0 { chunks.append(buffer) }
        return chunks
    }

    private func end(_ buffer: inout Buffer, _ chunks: inout [Buffer]) {
        chunks.append(buffer)
        buffer = Buffer(capacity: buffer.count + (64 << 10))
    }

    private func compress(_ chunks: [Buffer], level: Int) -> [Buffer] {
        let compressor = ZstdCompressor(level: level)
        let scratch = Buffer(capacity: 20 << 20)
        return chunks.map { chunk in
            scratch.removeAll()
            _ = compressor.compress(chunk.bytes, appendingTo: scratch)
            let encoded = Buffer(capacity: scratch.count + 16)
            encoded.append(scratch.bytes)
            return encoded
        }
    }

    private func decompress(_ chunks: [Buffer], _ encoded: [Buffer], _ level: Int) {
        let decompressor = ZstdDecompressor()
        let scratch = Buffer(capacity: 20 << 20)
        report("decode check of level \(level)") {
            for (chunk, encoded) in zip(chunks, encoded) {
                scratch.removeAll()
                _ = decompressor.decompress(encoded.bytes, rawCount: chunk.count, appendingTo: scratch)
                precondition(spansEqual(scratch.bytes, chunk.bytes))
            }
        }
    }

    private func seal(_ encoded: [Buffer], _ level: Int) {
        let cipher = AESGCM()
        cipher.setKey(key)
        let aad: [UInt8] = [1, 2, 3]
        report("AES-256-GCM of level \(level)") {
            for (nonce, chunk) in encoded.enumerated() {
                let count = chunk.count
                cipher.seal(chunk, from: 0, nonce: UInt64(nonce), aad: aad.rawSpan)
                chunk.truncate(to: count)
            }
        }
    }
}
