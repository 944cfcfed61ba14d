import BSON
import Bytes
import TestSupport

/// The documents that are measured with, in memory, in streams as scan ranges would deliver them.
struct Corpus: Sendable {
    /// Documents one behind the other; each buffer is one stream.
    let streams: [Buffer]
    let documents: Int
    let bytes: Int

    static func make(mebibytes: Int) -> Corpus {
        let data = BenchData(seed: 1, mebibytes: mebibytes)
        var generator = BenchDataGenerator(data)
        var streams: [Buffer] = []
        var documents = 0
        for collection in data.collections {
            var stream = Buffer(capacity: 64 << 20)
            for block in 0..<data.blocks(of: collection) {
                documents += generator.generate(collection, block: block)
                stream.append(generator.bytes)
                if stream.count > 60 << 20 {
                    streams.append(stream)
                    stream = Buffer(capacity: 64 << 20)
                }
            }
            if stream.count > 0 { streams.append(stream) }
        }
        return Corpus(streams: streams, documents: documents, bytes: streams.reduce(0) { $0 + $1.count })
    }
}
