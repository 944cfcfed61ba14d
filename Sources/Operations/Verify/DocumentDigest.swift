internal import BSON
internal import Bytes

/// A digest of a set of documents that does not depend on their order: the sum, modulo 2^128, of each document's
/// SipHash-2-4-128 under a key drawn for this run. Equal sets give equal sums; that two different ones do has a
/// chance of about 2^-128, and nobody can prepare documents for it who does not know the key. The count is kept
/// beside it.
///
/// Sums of threads and ranges are added, so the digest of a collection is computed in parallel, on the archive's side
/// and the server's.
struct DocumentDigest: Sendable {
    /// The digest of some documents.
    struct Sum: Sendable, Hashable {
        private var low: UInt64 = 0
        private var high: UInt64 = 0
        private(set) var documents = 0

        /// Adds one document's hash.
        mutating func add(low: UInt64, high: UInt64) {
            let (sum, overflow) = self.low.addingReportingOverflow(low)
            self.low = sum
            self.high = self.high &+ high &+ (overflow ? 1 : 0)
            documents += 1
        }

        /// Adds the digest of other documents.
        mutating func add(_ other: Sum) {
            let count = documents + other.documents
            add(low: other.low, high: other.high)
            documents = count
        }
    }

    private let hash = SipHash(key: .random(16))

    /// Adds each document of a chunk to `sum`.
    ///
    /// - Parameter ordered: whether the place of each document counts, from the first one that `sum` took: for capped
    ///   collections, whose order is data. Such sums of several threads cannot be added.
    func add(chunk: RawSpan, to sum: inout Sum, ordered: Bool = false) throws {
        var documents = DocumentBatch.Chunk(chunk)
        while let document = try documents.next() { add(document, to: &sum, ordered) }
    }

    /// Adds each document of a BSON array to `sum`, likewise.
    func add(batch: RawSpan, to sum: inout Sum, ordered: Bool = false) throws {
        var documents = try DocumentBatch.Array(batch)
        while let document = try documents.next() { add(document, to: &sum, ordered) }
    }

    private func add(_ document: RawSpan, to sum: inout Sum, _ ordered: Bool) {
        let (low, high) = hash.hash128(document)
        guard ordered else { return sum.add(low: low, high: high) }
        // An odd factor for each place: two documents that change places change the sum by the difference of their
        // hashes times that of their places.
        let weighted = (UInt128(high) << 64 | UInt128(low)) &* UInt128(2 * sum.documents + 1)
        sum.add(low: UInt64(truncatingIfNeeded: weighted), high: UInt64(truncatingIfNeeded: weighted >> 64))
    }
}
