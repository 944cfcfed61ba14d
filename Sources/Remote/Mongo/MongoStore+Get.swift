internal import BSON
public import Bytes
internal import Mongo
public import ObjectStore

extension MongoStore {
    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, into buffer: Buffer) throws {
        try read(name, nil, into: buffer)
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, sizeMax: Int, into buffer: Buffer) throws {
        try read(name, nil, sizeMax: sizeMax, into: buffer)
    }

    /// As `ObjectStore` asks: whole parts are fetched and checked.
    public func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try read(name, range, into: buffer)
    }

    /// The object's document; nil when there is none.
    func record(_ name: ObjectName, withData: Bool) throws -> ObjectRecord? {
        let find = BSONDocument { find in
            find.append("find", .string(Self.objects))
            find.append("filter", ["_id": .string(name.path)])
            if !withData { find.append("projection", ["data": 0]) }
            find.append("limit", 1)
            find.append("singleBatch", true)
            find.append("readConcern", ["level": "majority"])
        }
        return try session { client in
            var found: ObjectRecord?
            try client.forEachDocument(of: find, db: database, namespace: namespace(Self.objects)) { view in
                found = try ObjectRecord(view, location: location)
            }
            return found
        }
    }

    /// An object that is replaced while its parts are read has other parts: it is then read again.
    private func read(
        _ name: ObjectName, _ range: Range<Int>?, sizeMax: Int = .max, into buffer: Buffer
    ) throws {
        let start = buffer.count
        var seen: RandomID?
        while true {
            guard let record = try record(name, withData: true) else {
                throw CairnError(.notFound, "no such object", object: resource(name))
            }
            try ObjectInfo(name: name, size: record.size, modified: record.modified).requireSize(atMost: sizeMax)
            let wanted = range ?? 0..<record.size
            guard wanted.upperBound <= record.size else {
                throw CairnError(
                    .corrupt, "the object ends before byte \(wanted.upperBound)", object: resource(name),
                    offset: record.size)
            }
            do {
                return try record.data == nil && record.size > 0
                    ? readParts(record, wanted, name, into: buffer) : readInline(record, wanted, name, into: buffer)
            } catch let error as CairnError where error.code == .corrupt {
                buffer.truncate(to: start)
                guard let upload = record.upload, seen != upload else { throw error }
                seen = upload
            }
        }
    }

    private func readInline(_ record: ObjectRecord, _ range: Range<Int>, _ name: ObjectName, into buffer: Buffer) throws
    {
        let data = record.data ?? []
        guard data.count == record.size, SHA256.hash(data.rawSpan) == record.sha256 else { throw damaged(name, 0) }
        buffer.append(data.rawSpan.extracting(range))
    }

    private func readParts(_ record: ObjectRecord, _ range: Range<Int>, _ name: ObjectName, into buffer: Buffer) throws
    {
        guard let upload = record.upload else { throw damaged(name, 0) }
        guard !range.isEmpty else { return }
        let numbers = (range.lowerBound / Self.partSize)...((range.upperBound - 1) / Self.partSize)
        let find = BSONDocument { find in
            find.append("find", .string(Self.parts))
            find.append("filter", .document(Self.partRange(upload, numbers)))
            find.append("sort", ["_id": 1])
            find.append("batchSize", .int32(Int32(Self.partsPerCommand)))
            find.append("readConcern", ["level": "majority"])
        }
        let start = buffer.count
        buffer.reserve(start + range.count)
        let digests = Buffer(capacity: numbers.count * Digest256.byteCount)
        try session { client in
            buffer.truncate(to: start)
            digests.removeAll()
            var next = numbers.lowerBound
            try client.forEachDocument(of: find, db: database, namespace: namespace(Self.parts)) { part in
                try append(part, number: next, of: record, range, name, to: buffer).append(to: digests)
                next += 1
            }
            guard next == numbers.upperBound + 1 else { throw damaged(name, next * Self.partSize) }
        }
        let isWhole = range.count == record.size
        guard !isWhole || SHA256.hash(digests.bytes) == record.sha256 else { throw damaged(name, 0) }
    }

    /// Appends what `range` wants of one part, after the part's digest has been checked.
    ///
    /// - Returns: that digest.
    private func append(
        _ part: DocumentView, number: Int, of record: ObjectRecord, _ range: Range<Int>, _ name: ObjectName,
        to buffer: Buffer
    ) throws -> Digest256 {
        let start = number * Self.partSize
        let count = min(Self.partSize, record.size - start)
        guard let data = try part.first(named: "data")?.binary, data.byteCount == count,
            try part.first(named: "_id")?.document?.first(named: "part")?.integer == Int64(number),
            let stored = try part.first(named: "sha256")?.binary, stored.byteCount == Digest256.byteCount
        else { throw damaged(name, start) }
        let digest = Digest256(stored)
        guard SHA256.hash(data) == digest else { throw damaged(name, start) }
        let wanted = range.clamped(to: start..<start + count)
        buffer.append(data.extracting(wanted.lowerBound - start..<wanted.upperBound - start))
        return digest
    }

    private func damaged(_ name: ObjectName, _ offset: Int) -> CairnError {
        CairnError(
            .corrupt, "the database does not have the bytes that were put there: a part is missing or changed",
            object: resource(name), offset: offset)
    }

    private func resource(_ name: ObjectName) -> String { "\(location) \(name)" }
}
