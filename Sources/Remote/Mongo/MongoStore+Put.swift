internal import BSON
internal import Bytes
internal import Glibc
internal import Mongo
public import ObjectStore

extension MongoStore {
    /// As `ObjectStore` asks: first the parts, then in one step the document that makes them an object.
    ///
    /// The document carries the upload's id, by which a repeated command finds that an earlier try has won.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        let upload = RandomID.random()
        let isInline = bytes.byteCount <= Self.inlineMax
        // Saves sending a pack that is there already; who wins is decided below.
        if !isInline, mode == .ifAbsent, try stat(name) != nil { throw exists(name) }
        let digest = isInline ? SHA256.hash(bytes) : try putParts(upload, bytes)
        let record = BSONDocument { record in
            record.append("_id", .string(name.path))
            record.append("size", .int64(Int64(bytes.byteCount)))
            record.append("modified", "$$NOW")
            record.append("upload", .binary(subtype: 0, upload.bytes))
            record.append("sha256", .binary(subtype: 0, digest.bytes))
            if isInline { record.append("data", binary: bytes) }
        }
        switch mode {
        case .replace:
            let old = try modify(name) { command in
                command.append("update", .array([["$replaceWith": .document(record)]]))
                command.append("upsert", true)
            }
            if let old, old.upload != upload { try removeParts(old) }
        case .ifAbsent:
            let isTaken: BSONValue = ["$eq": [["$type": "$upload"], "missing"]]
            let winner = try modify(name) { command in
                command.append(
                    "update",
                    .array([["$replaceWith": ["$cond": [isTaken, .document(record), "$$ROOT"]]]]))
                command.append("upsert", true)
                command.append("new", true)
            }
            guard winner?.upload == upload else {
                if !isInline { try removeParts(of: upload) }
                throw exists(name)
            }
        }
    }

    private func exists(_ name: ObjectName) -> CairnError {
        CairnError(.alreadyExists, "there is an object of that name already", object: "\(location) \(name)")
    }

    /// Runs `findAndModify` on one object's document.
    ///
    /// - Returns: the document that the server answers with, without its data.
    func modify(_ name: ObjectName, _ body: (inout DocumentBuilder) -> Void) throws -> ObjectRecord? {
        let command = BSONDocument { command in
            command.append("findAndModify", .string(Self.objects))
            command.append("query", ["_id": .string(name.path)])
            command.append("fields", ["size": 1, "modified": 1, "upload": 1])
            command.append("writeConcern", Self.writeConcern)
            body(&command)
        }
        // The server repeats an upsert that lost to another one, but says so after too many of them.
        for _ in 0..<100 {
            do {
                return try session { client in
                    let reply = try client.run(command, db: database, namespace: namespace(Self.objects))
                    return try reply.withView { reply in
                        try requireDurable(reply)
                        guard let value = try reply.first(named: "value")?.document else { return nil }
                        return try ObjectRecord(value, location: location)
                    }
                }
            } catch let error where ServerError(causing: error)?.code == 11_000 {}
        }
        throw CairnError(.server, "too many writers of one object at once", object: "\(location) \(name)")
    }

    /// - Returns: the digest of the parts' digests.
    private func putParts(_ upload: RandomID, _ bytes: RawSpan) throws -> Digest256 {
        let count = (bytes.byteCount + Self.partSize - 1) / Self.partSize
        let at = Int64(time(nil)) * 1_000
        let digests = Buffer(capacity: count * Digest256.byteCount)
        for first in stride(from: 0, to: count, by: Self.partsPerCommand) {
            let numbers = first..<min(first + Self.partsPerCommand, count)
            var command = DocumentBuilder(capacity: numbers.count * (Self.partSize + 256))
            command.append("insert", .string(Self.parts))
            command.append("ordered", false)
            command.append("writeConcern", Self.writeConcern)
            command.openArray("documents")
            for number in numbers {
                let start = number * Self.partSize
                let part = bytes.extracting(start..<min(start + Self.partSize, bytes.byteCount))
                command.openDocument(String(number - first))
                command.append("_id", .document(Self.partID(upload, number)))
                command.append("at", .date(at))
                let digest = SHA256.hash(part)
                digest.append(to: digests)
                command.append("sha256", .binary(subtype: 0, digest.bytes))
                command.append("data", binary: part)
                command.close()
            }
            command.close()
            try insert(command.finish())
        }
        return SHA256.hash(digests.bytes)
    }

    /// A part that is there already was brought by an earlier try: nobody else knows the upload's id.
    private func insert(_ command: BSONDocument) throws {
        try session { client in
            let reply = try client.run(command, db: database, namespace: namespace(Self.parts))
            try reply.withView { reply in
                try requireDurable(reply)
                guard let errors = try reply.first(named: "writeErrors")?.document else { return }
                var walk = try DocumentBatch.Array(errors.bytes)
                while let error = try walk.next() {
                    let view = try DocumentView(error)
                    let code = try view.first(named: "code")?.integer ?? 0
                    if code == 11_000 { continue }
                    let cause = ServerError(writeConcernError: try BSONDocument(copying: error))
                    throw CairnError(
                        code == 14_031 ? .noSpace : .server, "the server does not take the bytes: \(cause.message)",
                        object: location, underlying: cause)
                }
            }
        }
    }

    /// Removes the parts of an object that is no more.
    func removeParts(_ record: ObjectRecord) throws {
        if let upload = record.upload, record.size > Self.inlineMax { try removeParts(of: upload) }
    }

    func removeParts(of upload: RandomID) throws {
        let command: BSONDocument = [
            "delete": .string(Self.parts),
            "deletes": [["q": .document(Self.partRange(upload, 0...Int(Int32.max))), "limit": 0]],
            "writeConcern": Self.writeConcern,
        ]
        try session { client in
            let reply = try client.run(command, db: database, namespace: namespace(Self.parts))
            try reply.withView { try requireDurable($0) }
        }
    }

    /// A primary that steps down answers so too; the command is then repeated with the next one.
    ///
    /// - Throws: `.unreachable` when the set did not confirm the write; what was written may stay.
    private func requireDurable(_ reply: DocumentView) throws {
        guard let error = try reply.first(named: "writeConcernError")?.document else { return }
        let cause = ServerError(writeConcernError: try BSONDocument(copying: error.bytes))
        throw CairnError(
            .unreachable, "the write was not confirmed by a majority: \(cause.message)", object: location,
            underlying: cause)
    }

    /// A majority must have it in its journal: it then survives any one node.
    private static let writeConcern: BSONValue = ["w": "majority", "j": true, "wtimeout": 120_000]

    static func partID(_ upload: RandomID, _ number: Int) -> BSONDocument {
        ["upload": .binary(subtype: 0, upload.bytes), "part": .int32(Int32(number))]
    }

    static func partRange(_ upload: RandomID, _ numbers: ClosedRange<Int>) -> BSONDocument {
        [
            "_id": [
                "$gte": .document(partID(upload, numbers.lowerBound)),
                "$lte": .document(partID(upload, numbers.upperBound)),
            ]
        ]
    }
}
