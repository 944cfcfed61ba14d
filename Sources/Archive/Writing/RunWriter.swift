import BSON
import Bytes

/// Collects what changed in one collection and makes a `Run` of it. Confined to one thread.
///
/// The caller sees to it that no identity is taken twice. The order decides where chunks end: sorted by identity,
/// equal changes give equal chunks.
public final class RunWriter {
    private let stream: ChunkStream
    private let leaves: LeafListWriter
    private var removals: MetadataStream
    private let scratch = Buffer(capacity: 64)
    private var extraDocuments = 0
    private var extraRawBytes = 0

    /// `_id`s taken so far.
    public private(set) var removed = 0

    /// Documents taken so far.
    public var documents: Int { stream.documents + extraDocuments }

    init(stream: ChunkStream, leaves: LeafListWriter, removals: MetadataStream) {
        self.stream = stream
        self.leaves = leaves
        self.removals = removals
    }

    /// Takes a copy of a document as it is now.
    ///
    /// - Parameter identity: its `_id` (`DocumentIdentity.idBytes`), not empty: a document without one cannot be
    ///   replaced later.
    public func put(document: RawSpan, identity: RawSpan) throws {
        precondition(!identity.isEmpty, "a document of a run has an `_id`")
        try stream.append(document: document, identity: identity)
    }

    /// Takes the documents of a finished stream of the same writer: several threads read documents back, each into a
    /// stream of its own.
    public func put(_ stored: StoredStream) throws {
        try leaves.append(stored.leaves)
        extraDocuments += stored.documents
        extraRawBytes += stored.rawBytes
    }

    /// Notes that the document with this `_id` is gone.
    public func remove(identity: RawSpan) throws {
        precondition(!identity.isEmpty, "a document without `_id` cannot be removed by it")
        let scratch = scratch
        scratch.removeAll()
        scratch.append(littleEndian: Int32(identity.byteCount + 5))
        scratch.append(identity)
        scratch.append(littleEndian: UInt8(0))
        try removals.append(scratch.bytes)
        removed += 1
    }

    /// Ends the run and waits until the workers have stored its chunks.
    ///
    /// - Parameter delta: what it adds to the number of live documents.
    /// - Throws: the writer's first error.
    public func finish(delta: Int) throws -> Run {
        try stream.finish()
        let stored = try stream.wait()
        try leaves.append(stored.leaves)
        let listed = try leaves.finish()
        return Run(
            documents: stored.documents + extraDocuments, rawBytes: stored.rawBytes + extraRawBytes,
            leafCount: leaves.count, leaves: listed, removed: removed, removals: try removals.finish(), delta: delta)
    }
}
