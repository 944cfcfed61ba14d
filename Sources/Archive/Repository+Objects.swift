import BSON
public import Bytes
import ObjectStore

// Small objects.
extension Repository {
    /// Seals and puts one small object.
    ///
    /// - Returns: the bytes that were put.
    @discardableResult
    func writeSealed(
        _ document: BSONDocument, kind: ObjectKind, id: RandomID, mode: PutMode = .ifAbsent,
        codec: SealedObjects? = nil
    ) throws -> Buffer {
        try requireWritable()
        let bytes = try (codec ?? makeSealedObjects()).seal(document, kind: kind, id: id)
        try store.put(Names.object(kind, id), bytes.bytes, mode: mode)
        return bytes
    }

    /// Gets and opens one small object.
    func readSealed(kind: ObjectKind, id: RandomID, codec: SealedObjects? = nil) throws -> BSONDocument {
        let codec = codec ?? makeSealedObjects()
        return try withSealed(kind: kind, id: id) { try codec.open($0, kind: kind, id: id) }
    }

    /// Calls `body` with the stored bytes of a small object, to use up; when they are damaged and came from a cache,
    /// once more with those of the store itself.
    func withSealed<Result>(kind: ObjectKind, id: RandomID, _ body: (Buffer) throws -> Result) throws -> Result {
        do {
            return try body(try fetchSealed(kind: kind, id: id))
        } catch let error as CairnError where error.isDamage {
            guard store.forget(Names.object(kind, id)) else { throw error }
            return try body(try fetchSealed(kind: kind, id: id))
        }
    }

    /// The stored bytes of a small object; no more are read than one may have.
    func fetchSealed(kind: ObjectKind, id: RandomID) throws -> Buffer {
        let buffer = Buffer(capacity: 4 << 10)
        let sizeMax = FormatLimits.sealedSizeMax + SealedObjects.headerSize + AESGCM.tagByteCount
        try store.get(Names.object(kind, id), sizeMax: sizeMax, into: buffer)
        return buffer
    }

    /// The ids of all objects of `kind`, ascending. Objects in the folder whose name is not an id are passed over:
    /// `check` names them.
    public func list(_ kind: ObjectKind) throws -> [RandomID] {
        var ids: [RandomID] = []
        try store.list(prefix: kind.folder) { info in
            if let id = Names.id(of: info.name, kind: kind) { ids.append(id) }
        }
        return ids.sorted()
    }
}

// Snapshots.
extension Repository {
    /// The ids of all snapshots, ascending.
    public func snapshotIDs() throws -> [RandomID] { try list(.snapshot) }

    /// Reads one snapshot. One that a fence has made void is not found, as if it were not there.
    public func snapshot(_ id: RandomID) throws -> Snapshot {
        let snapshot = try Snapshot(id: id, try readSealed(kind: .snapshot, id: id))
        try requireValid(snapshot, object: Names.text(.snapshot, id))
        return snapshot
    }

    /// Reads all snapshots, oldest first.
    ///
    /// - Parameter damaged: is told of a snapshot that is damaged or of a newer version; when nil, the first such error
    ///   is thrown. One that somebody removes meanwhile is passed over, and so is a void one.
    public func snapshots(damaged: ((RandomID, CairnError) -> Void)? = nil) throws -> [Snapshot] {
        try valid(try everySnapshot(damaged: damaged)).sorted(by: Snapshot.precedes)
    }

    /// Commits a snapshot. Everything that it refers to must be durable. format-spec.md §11 [W-3].
    public func writeSnapshot(_ snapshot: Snapshot) throws {
        try writeSealed(snapshot.encode(), kind: .snapshot, id: snapshot.id)
    }

    /// The one snapshot whose id begins with `prefix`.
    ///
    /// - Throws: `.notFound` when there is none, `.usage` listing the candidates when there are several, or when
    ///   `prefix` is no hexadecimal number.
    public func resolveSnapshot(prefix: String) throws -> RandomID {
        let wanted = prefix.lowercased()
        guard !wanted.isEmpty, wanted.utf8.count <= 32, wanted.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
            throw CairnError(.usage, "\"\(prefix)\" is no snapshot id: hexadecimal digits, at most 32, are needed")
        }
        let candidates = try snapshotIDs().filter { $0.hex.hasPrefix(wanted) }
        guard let first = candidates.first else {
            throw CairnError(
                .notFound, "no snapshot has an id that begins with \(wanted): `cairn snapshots` lists them")
        }
        guard candidates.count == 1 else {
            let shown = candidates.prefix(8).map(\.hex).joined(separator: ", ")
            throw CairnError(
                .usage,
                "\(candidates.count) snapshots have an id that begins with \(wanted): \(shown)"
                    + (candidates.count > 8 ? ", …" : "") + "; give more digits")
        }
        return first
    }
}

extension Snapshot {
    /// The order of age.
    static func precedes(_ one: Snapshot, _ other: Snapshot) -> Bool {
        (one.at, one.started, one.id) < (other.at, other.started, other.id)
    }
}

// Index.
extension Repository {
    /// Writes one index object; the packs in it must be durable. format-spec.md §11 [W-2].
    ///
    /// - Returns: its id.
    @discardableResult
    public func writeIndex(_ index: IndexObject) throws -> RandomID {
        precondition(index.entryCount <= FormatLimits.indexEntriesMax && !index.packs.isEmpty)
        let id = newID()
        try writeSealed(index.encode(), kind: .index, id: id)
        return id
    }

    /// Reads one index object.
    public func readIndex(_ id: RandomID) throws -> IndexObject {
        try IndexObject(try readSealed(kind: .index, id: id), object: Names.text(.index, id))
    }

    /// Reads all index objects, ahead from stores that answer slowly.
    ///
    /// Who reads by it finds a chunk whose pack is gone or damaged wherever else it is. format-spec.md §8 [I-2].
    ///
    /// - Parameter damaged: is told of an index object that cannot be read; when nil, the first such error is thrown.
    public func loadIndex(damaged: ((RandomID, CairnError) -> Void)? = nil) throws -> ChunkIndex {
        let index = ChunkIndex(OtherPlaces())
        try forEachIndex(damaged: damaged) { _, object in
            for pack in object.packs { index.insert(pack) }
        }
        return index
    }

    /// Calls `body` once with every index object, whatever maintenance does meanwhile.
    ///
    /// format-spec.md §11.1 [D-4]. An object that is gone between listing and reading was merged into another one,
    /// which the listing may have missed: so everything is listed again until nothing that was listed is gone. An
    /// object that was read and went later does no harm: packs are removed after the index objects that name them, and
    /// what it says of the others stays true.
    ///
    /// - Parameters:
    ///   - listed: what was listed just now; nil lists.
    ///   - damaged: as for `loadIndex`.
    func forEachIndex(
        listed: [RandomID]? = nil, damaged: ((RandomID, CairnError) -> Void)? = nil,
        _ body: (RandomID, IndexObject) throws -> Void
    ) throws {
        let codec = makeSealedObjects()
        var done: Set<RandomID> = []
        var listed = listed
        var isComplete = false
        while !isComplete {
            isComplete = true
            var left = try (listed ?? list(.index)).filter { !done.contains($0) }[...]
            listed = nil
            while !left.isEmpty {
                let batch = Array(left.prefix(store.parallelism))
                left = left.dropFirst(batch.count)
                for (id, result) in zip(batch, try readIndexes(batch, codec)) {
                    switch result {
                    case nil:
                        isComplete = false
                        continue
                    case .failure(let error)?:
                        guard let damaged else { throw error }
                        damaged(id, error)
                    case .success(let object)?:
                        try body(id, object)
                    }
                    done.insert(id)
                }
            }
        }
    }

    /// Index objects; nil for what is gone, the error for what is damaged.
    private func readIndexes(_ ids: [RandomID], _ codec: SealedObjects) throws -> [Result<IndexObject, CairnError>?] {
        if ids.count == 1 { return [try readIndex(ids[0], codec)] }
        return try Parallel.map(ids, threads: ids.count, name: "cairn-index", context: makeSealedObjects) { codec, id in
            try self.readIndex(id, codec)
        }
    }

    private func readIndex(_ id: RandomID, _ codec: SealedObjects) throws -> Result<IndexObject, CairnError>? {
        do {
            let document = try readSealed(kind: .index, id: id, codec: codec)
            return .success(try IndexObject(document, object: Names.text(.index, id)))
        } catch let error as CairnError where error.code == .notFound {
            return nil
        } catch let error as CairnError where error.isDamage {
            return .failure(error)
        }
    }
}

// Packs.
extension Repository {
    /// Puts a finished pack.
    public func writePack(_ pack: FinishedPack) throws {
        try requireWritable()
        let isMetadata = pack.contents.entries.allSatisfy(\.type.isMetadata)
        try store.put(pack.name, pack.buffer.bytes, mode: .ifAbsent, use: isMetadata ? .often : .seldom)
    }

    /// Reads one chunk by one ranged get and appends its plaintext to `output`.
    ///
    /// - Throws: `.corrupt` or `.notFound` naming the pack; `output` is then as it was.
    public func readChunk(
        _ id: ChunkID, at location: ChunkLocation, opener: ChunkOpener, into output: Buffer
    ) throws {
        try opener.open(id, at: location, into: output) { scratch in
            try store.get(Names.pack(location.pack.id), range: location.range, into: scratch)
        }
    }

    /// Reads the header and the directory of a pack: what it holds, whatever the index says. format-spec.md §7.5 [P-9].
    ///
    /// - Throws: `.corrupt`, `.notFound`, `.unsupportedFormat`, all naming the pack.
    ///
    /// - Parameter listedSize: the size that the pack was listed with; nil asks the store.
    public func readPackDirectory(_ id: RandomID, listedSize: Int? = nil) throws -> PackContents {
        let name = Names.pack(id)
        guard let size = try listedSize ?? store.stat(name)?.size else {
            throw CairnError(.notFound, "no such pack", object: name.path)
        }
        guard size >= PackHeader.size + PackTrailer.size, size <= FormatLimits.packSizeMax else {
            throw CairnError(.corrupt, "a pack of \(size) bytes is no pack", object: name.path)
        }
        let tail = Buffer(capacity: 64 << 10)
        try store.get(name, range: max(0, size - (64 << 10))..<size, into: tail)
        let header = Buffer(capacity: PackHeader.size)
        if tail.count == size {
            header.append(tail.bytes.extracting(first: PackHeader.size))
        } else {
            try store.get(name, range: 0..<PackHeader.size, into: header)
        }
        let trailer = try PackDirectory.trailer(of: tail.bytes, object: name.path)
        let needed = trailer.directoryCount + PackTrailer.size
        guard needed <= size - PackHeader.size else {
            throw CairnError(.corrupt, "the pack is smaller than its directory", object: name.path)
        }
        if needed > tail.count {
            tail.removeAll()
            try store.get(name, range: (size - needed)..<size, into: tail)
        }
        return try PackDirectory.open(
            id: id, header: header.bytes, tail: tail.bytes, objectSize: size, keys: keys)
    }

    /// The directory of a pack that is in memory as a whole.
    public func packDirectory(of pack: RawSpan, id: RandomID) throws -> PackContents {
        guard pack.byteCount >= PackHeader.size + PackTrailer.size, pack.byteCount <= FormatLimits.packSizeMax else {
            throw CairnError(.corrupt, "a pack of \(pack.byteCount) bytes is no pack", object: Names.packText(id))
        }
        return try PackDirectory.open(
            id: id, header: pack.extracting(first: PackHeader.size),
            tail: pack.extracting(droppingFirst: PackHeader.size), objectSize: pack.byteCount, keys: keys)
    }
}
