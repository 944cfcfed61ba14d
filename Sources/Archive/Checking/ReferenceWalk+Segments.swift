import Bytes
import ObjectStore

extension ReferenceWalk {
    /// Walks through the segments `ids`.
    func walk(segments ids: [RandomID]) throws {
        for id in ids {
            try monitor.requireNotCancelled()
            do {
                segments.append(try repository.segment(id))
            } catch let error as CairnError where error.isDamage {
                let name = Names.object(.segment, id)
                // Forgotten by somebody since the listing, or void: not there, not damaged.
                if error.code == .notFound { continue }
                incompleteSegments.insert(id)
                if error.code == .corrupt { damagedObjects.append(name) }
                let number = findings.add(Damage(error, object: name.path))
                findings.attribute(Affected(segment: id, entries: nil, times: nil), to: number)
            }
        }
        for segment in segments {
            for chunk in segment.prelude + segment.chunks {
                // Two segments that share a chunk say the same of it, for it has one content.
                let earlier = countsDocuments ? oplogChunks.updateValue(chunk, forKey: chunk.chunk) : nil
                require(
                    chunk.chunk, type: .oplog, rawBytes: chunk.rawBytes, agrees: earlier.map { $0 == chunk } ?? true)
            }
        }
    }
}
