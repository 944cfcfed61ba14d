internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

/// Operations on one collection that are written together: what they make of each document is computed here, so a
/// document is written once however often it changed.
struct ReplayGroup {
    private struct Pending {
        let identity: [UInt8]
        var steps: [ReplayOperation]
    }

    private let target: ReplayTarget
    private var pending: [Pending] = []
    /// By the hash of the `_id`.
    private var places: [Int: Int] = [:]
    private(set) var byteCount = 0

    init(_ target: ReplayTarget) { self.target = target }

    var isEmpty: Bool { pending.isEmpty }
    var isFull: Bool {
        pending.count >= DocumentWriter.commandDocumentsMax || byteCount >= DocumentWriter.commandBytesMax
    }

    /// Takes an operation, unless those before must be written first: of two `_id`s that may be one for the server the
    /// order counts, and in a capped collection that of all.
    mutating func take(_ operation: ReplayOperation) -> Bool {
        if let place = places[operation.hash] {
            guard pending[place].identity == operation.identity, !target.isOrdered else { return false }
            pending[place].steps.append(operation)
        } else {
            guard target.isOrdered || !target.isSerial(operation) || pending.isEmpty else { return false }
            places[operation.hash] = pending.count
            pending.append(Pending(identity: operation.identity, steps: [operation]))
        }
        byteCount += operation.byteCount
        return true
    }

    /// Computes what becomes of the documents and writes it.
    ///
    /// - Parameter missing: decides about updates of documents that are not there; see `ReplayMissing`.
    mutating func write(_ writer: DocumentWriter, _ missing: inout ReplayMissing) throws {
        let bases = try readBases(writer)
        var puts: [DocumentWriter.Put] = []
        var removals: [[UInt8]] = []
        for item in pending {
            switch try result(of: item, bases[item.identity], &missing) {
            case .document(let document): puts.append(DocumentWriter.Put(identity: item.identity, document: document))
            case .absent: removals.append(item.identity)
            case .untouched: break
            }
        }
        try writer.remove(removals, in: target.namespace)
        try writer.put(puts, in: target.namespace, ordered: target.isOrdered)
        pending.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        byteCount = 0
    }

    /// The documents that updates change in part, by identity bytes.
    private func readBases(_ writer: DocumentWriter) throws -> [[UInt8]: [UInt8]] {
        let needed = pending.filter { $0.steps[0].kind == .update && Self.isPartial($0.steps[0].payload) }
        var bases: [[UInt8]: [UInt8]] = [:]
        guard !needed.isEmpty else { return bases }
        try writer.read(needed.map(\.identity), in: target.namespace) { document in
            bases[[UInt8](try DocumentIdentity.idBytes(of: document))] = [UInt8](document)
        }
        return bases
    }

    private enum Outcome {
        case document([UInt8])
        case absent
        case untouched
    }

    private func result(
        of item: Pending, _ base: [UInt8]?, _ missing: inout ReplayMissing
    ) throws -> Outcome {
        var document = base
        var outcome = Outcome.untouched
        for step in item.steps {
            switch step.kind {
            case .insert: document = step.payload
            case .delete: document = nil
            case .update:
                if Self.isPartial(step.payload) {
                    guard let before = document else {
                        try missing.note(step, target.namespace)
                        continue
                    }
                    document = try Self.apply(step, to: before)
                } else {
                    document = try Self.replacement(step)
                }
            case .command, .noop: preconditionFailure("only documents are replayed")
            }
            missing.settle(step)
            outcome = document.map(Outcome.document) ?? .absent
        }
        return outcome
    }

    /// Whether an update changes a document instead of replacing it: `$v`, `$set`, `$unset`.
    private static func isPartial(_ payload: [UInt8]) -> Bool {
        payload.count > 6 && payload[5] == UInt8(ascii: "$")
    }

    private static func replacement(_ step: ReplayOperation) throws -> [UInt8] {
        guard try DocumentIdentity.idBytes(of: step.payload.rawSpan).isEmpty else { return step.payload }
        return BSONDocument { document in
            document.append(elementBytes: step.identity.rawSpan)
            document.append(elementBytes: step.payload.rawSpan.extracting(4..<(step.payload.count - 1)))
        }.bytes
    }

    private static func apply(_ step: ReplayOperation, to document: [UInt8]) throws -> [UInt8] {
        let result = Buffer(capacity: document.count + step.payload.count)
        try UpdateApplier.apply(update: step.payload.rawSpan, to: document.rawSpan, into: result)
        return [UInt8](result.bytes)
    }
}

/// Updates of documents that are not in the target.
///
/// The first time, there is none: the history would not fit. After an interruption, operations are applied again that
/// were applied before, so a document may be gone already that a later one of them deletes (or inserts again). Such a
/// one must come before the stretch that is repeated ends.
struct ReplayMissing {
    private struct Place: Hashable {
        let target: Int
        let identity: [UInt8]
    }

    /// Operations are applied again.
    var isRepeating = false
    private var open: [Place: ReplayOperation] = [:]

    mutating func note(_ step: ReplayOperation, _ namespace: Namespace) throws {
        guard isRepeating else { throw misfit(step, namespace.description) }
        open[Place(target: step.target, identity: step.identity)] = step
    }

    mutating func settle(_ step: ReplayOperation) {
        if !open.isEmpty { open[Place(target: step.target, identity: step.identity)] = nil }
    }

    /// Everything up to here was applied.
    func requireNone() throws {
        if let step = open.values.first { throw misfit(step, "") }
    }

    private func misfit(_ step: ReplayOperation, _ namespace: String) -> CairnError {
        let id = (try? DocumentIdentity.document(of: step.identity.rawSpan)).map { "\($0)" } ?? "?"
        return CairnError(
            .corrupt,
            "the update at \(step.time) is of the document \(id), which is not there: the oplog does not fit to the "
                + "state before it, or somebody else writes to the target", object: namespace)
    }
}
