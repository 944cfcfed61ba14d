import BSON
import Bytes

/// Collects the leaves of one collection, in order: few stay in the catalogue entry, more become leaf-list chunks
/// on the way, so that a large collection's leaves are never in memory together. Confined to one thread.
public final class LeafListWriter {
    private var stream: MetadataStream
    private var inline: [Leaf] = []
    private var isInline = true
    /// The leaves taken so far.
    public private(set) var count = 0

    init(stream: MetadataStream) { self.stream = stream }

    /// Takes the leaves of the collection's next range.
    public func append(_ leaves: [Leaf]) throws {
        count += leaves.count
        guard isInline, inline.count + leaves.count > FormatLimits.inlineLeavesMax else {
            if isInline { inline += leaves } else { try pass(leaves) }
            return
        }
        isInline = false
        try pass(inline)
        inline = []
        try pass(leaves)
    }

    private func pass(_ leaves: [Leaf]) throws {
        for leaf in leaves { try stream.append(leaf.encode().bytes.rawSpan) }
    }

    /// Where the leaves are.
    public func finish() throws -> CatalogueEntry.Leaves { isInline ? .inline(inline) : .lists(try stream.finish()) }
}
