public import BSON
import Bytes

/// Folds a window of the oplog over the state that a snapshot shows: which collections there are at the end of it, and
/// what became of the documents of each.
///
///     let fold = Fold(definitions, after: snapshot.at, through: target)
///     // the preludes of the segments, then their entries in order, until `take` says that it has seen enough
///     for collection in fold.finish() { … }
///
/// Counts what took effect behind `after`, up to and including `through`: for transactions the time of the commit. The
/// catalogue alone costs nothing: `only: []` follows it and keeps no operation on a document.
///
/// Confined to one thread. What it gives may be shared.
public final class Fold {
    /// A collection at the end of the window.
    public struct Collection: Sendable {
        /// Its name, options and indexes then.
        public let definition: CollectionDefinition
        /// Whether the snapshot has documents of it, under the same UUID, perhaps another name.
        public let isInBase: Bool
        /// What became of its documents; nil when they are as they were.
        public let table: FoldTable?
    }

    private let after: Timestamp
    private let through: Timestamp
    private let partition: FoldHash
    private let only: Set<UUIDKey>?
    private let base: Set<UUIDKey>
    private var catalogue: CatalogueState
    private var assembler = TransactionAssembler()
    private var tables: [UUIDKey: FoldTableBuilder] = [:]
    private var tableByteCount = 0
    /// Operations on documents that took effect in the window.
    public private(set) var operationCount = 0

    /// A fold over a snapshot.
    ///
    /// - Parameters:
    ///   - definitions: The snapshot's catalogue.
    ///   - after: The snapshot's time.
    ///   - through: The target.
    ///   - partition: Which documents to keep, in one of several passes: those of a capped collection must be folded
    ///     in one.
    ///   - only: The collections whose documents matter; all when nil.
    ///   - admits: Which names the snapshot took.
    public init(
        _ definitions: [CollectionDefinition], after: Timestamp, through: Timestamp,
        partition: FoldHash = FoldHash(), only: Set<UUIDKey>? = nil,
        admits: @escaping @Sendable (_ database: String, _ name: String) -> Bool = { _, _ in true }
    ) {
        self.after = after
        self.through = through
        self.partition = partition
        self.only = only
        base = Set(definitions.compactMap(\.uuid))
        catalogue = CatalogueState(definitions, admits: admits)
    }

    /// Memory that the tables and open transactions take, in bytes. Over the budget, begin again with more partitions.
    public var byteCount: Int { tableByteCount + assembler.openByteCount }

    /// Whether a prepared transaction waits for its end, which may stand behind the target and count before it.
    public var hasOpenPrepared: Bool { assembler.hasOpenPrepared }

    /// Takes an entry from before a segment that transactions inside begin with.
    public func takePrelude(_ entry: RawSpan) throws { try assembler.takePrelude(entry) }

    /// Takes the next entry; entries before the window may be given and count for transactions only.
    ///
    /// - Returns: Whether more entries can matter: false behind the target, unless a prepared transaction is open.
    /// - Throws: `.unsupportedFormat`, `.corrupt` or `.incomplete` naming time, namespace and key.
    public func take(_ bytes: RawSpan) throws -> Bool {
        let entry = try OplogEntry(bytes)
        if entry.timestamp > through {
            try assembler.takeEnd(entry, through: through) { try apply($0) }
            return assembler.hasOpenPrepared
        }
        try assembler.take(entry) { try apply($0) }
        return true
    }

    /// The state at the target. Nothing may be taken afterwards.
    public func finish() -> [Collection] {
        let frozen = tables
        tables = [:]
        return catalogue.definitions.map { definition in
            let table = definition.uuid.flatMap { frozen[$0] }?.freeze()
            return Collection(
                definition: definition, isInBase: definition.uuid.map(base.contains) ?? false, table: table)
        }
    }

    private func apply(_ operation: borrowing Operation) throws {
        guard operation.time > after, operation.time <= through else { return }
        if operation.kind == .command { return try follow(try catalogue.apply(operation)) }
        if operation.entry.namespaceEndsInViews { try catalogue.apply(operation) }
        guard let table = try table(of: operation) else { return }
        let before = table.byteCount
        try table.add(operation)
        tableByteCount += table.byteCount - before
        operationCount += 1
    }

    private func table(of operation: borrowing Operation) throws -> FoldTableBuilder? {
        if let uuid = operation.entry.uuid, let table = tables[uuid] { return table }
        guard let uuid = try catalogue.collection(of: operation), only?.contains(uuid) ?? true else { return nil }
        return table(of: uuid, operation.entry.namespaceText)
    }

    private func table(of uuid: UUIDKey, _ namespace: String) -> FoldTableBuilder {
        if let table = tables[uuid] { return table }
        let isWhole = partition.partitionCount == 1
        let table = FoldTableBuilder(
            namespace: namespace, partition: partition, keepsPlaces: isWhole && catalogue.isCapped(uuid))
        if !base.contains(uuid) { table.discardAll() }
        tables[uuid] = table
        return table
    }

    private func follow(_ change: CatalogueChange) throws {
        for uuid in change.dropped {
            tableByteCount -= tables[uuid]?.byteCount ?? 0
            tables[uuid] = nil
        }
        if let (uuid, namespace) = change.renamed { tables[uuid]?.namespace = namespace }
        if let uuid = change.emptied, only?.contains(uuid) ?? true {
            tableByteCount -= tables[uuid]?.byteCount ?? 0
            table(of: uuid, "").discardAll()
        }
    }
}
