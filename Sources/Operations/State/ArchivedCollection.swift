internal import Archive
internal import BSON
internal import Bytes
internal import Mongo
internal import Oplog

/// A namespace of the archive as of one moment.
struct ArchivedCollection: Sendable {
    /// Its place in the state.
    let number: Int
    /// What it is, and where its documents are, or were before the oplog went on.
    var entry: CatalogueEntry
    /// What the oplog did to the documents since; nil when nothing, or when that is not in memory now.
    var fold: FoldTable?
    /// Whether the oplog did something to its documents.
    var isFolded = false

    /// The number of its documents; nil when only reading them tells.
    var documents: Int? { isFolded ? nil : entry.liveDocuments }

    /// Whether its order is data.
    var isCapped: Bool { entry.options.contains("capped") }

    /// Whether its leaves are its documents, all of them and nothing else.
    var isPlain: Bool { entry.runs.isEmpty && !isFolded }

    /// What its leaves have to be seen through, one after the other: each yields a part of the documents. Nil stands
    /// for all of them.
    func passes() -> [LayerTable.Partition?] {
        entry.runs.isEmpty ? [nil] : LayerTable.partitions(for: entry.runs)
    }

    /// Makes what one pass looks through: reads every run.
    func overlay(_ pass: LayerTable.Partition?, _ reader: ChunkReader) throws -> Overlay? {
        guard !isPlain else { return nil }
        let layers = try pass.map { try LayerTable(entry.runs, reader: reader, partition: $0) }
        return Overlay(layers: layers, fold: fold)
    }
}
