internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

/// A namespace of the archive as of one moment.
struct ArchivedCollection: Sendable {
    /// What it is, and where its documents are.
    var entry: CatalogueEntry

    /// The number of its documents; nil when only reading them tells.
    var documents: Int? { entry.liveDocuments }

    /// Whether its order is data.
    var isCapped: Bool { entry.options.contains("capped") }

    /// What its leaves have to be seen through, one after the other: each yields a part of the documents. Nil stands
    /// for the leaves as they are.
    func passes() -> [LayerTable.Partition?] {
        entry.runs.isEmpty ? [nil] : LayerTable.partitions(for: entry.runs)
    }

    /// Makes what one pass looks through: reads every run.
    func overlay(_ pass: LayerTable.Partition?, _ reader: ChunkReader) throws -> Overlay? {
        try pass.map { Overlay(layers: try LayerTable(entry.runs, reader: reader, partition: $0)) }
    }
}
