import BSON
public import Bytes

/// Memory in which one thread builds documents; reused from one to the next.
public final class FoldScratch {
    private let first = Buffer(capacity: 4096)
    private let second = Buffer(capacity: 4096)
    /// Which of the two holds the result; the other takes the next step's.
    private var isInSecond = false
    private var chain: [UInt64] = []

    /// Empty memory.
    public init() {}

    /// The document that was built last; good until the next.
    public var document: Buffer { isInSecond ? second : first }

    /// Follows a chain back to a whole document, or to `base`, and applies what comes behind in order.
    ///
    /// - Precondition: There is a base when the chain holds no whole document.
    func build(
        _ newest: UInt64, in arena: Arena, from base: RawSpan?, _ describe: (CairnError, Timestamp) -> CairnError
    ) throws {
        chain.removeAll(keepingCapacity: true)
        var reference = newest
        while reference != 0 {
            chain.append(reference)
            let (slab, offset) = arena.locate(reference)
            reference = FoldNode(slab.bytes, at: offset).previous
        }
        begin(with: base)
        while let reference = chain.popLast() {
            let (slab, offset) = arena.locate(reference)
            let node = FoldNode(slab.bytes, at: offset)
            if node.isWhole {
                begin(with: node.bytes)
                continue
            }
            let from = isInSecond ? second : first
            let to = isInSecond ? first : second
            to.removeAll()
            do throws(CairnError) {
                try UpdateApplier.apply(update: node.bytes, to: from.bytes, into: to)
            } catch {
                throw describe(error, node.time)
            }
            isInSecond.toggle()
        }
    }

    private func begin(with document: RawSpan?) {
        isInSecond = false
        first.removeAll()
        if let document { first.append(document) }
    }
}
