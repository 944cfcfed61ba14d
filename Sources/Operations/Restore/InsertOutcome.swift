internal import Bytes

/// What became of one namespace's documents.
struct InsertOutcome: Sendable {
    /// Documents that the server has.
    var documents = 0
    /// Their raw bytes.
    var rawBytes = 0
    /// The digest of all documents that should be there, when one was asked for.
    var digest = DocumentDigest.Sum()
    /// Documents that the server refused.
    var failures: [RestoreReport.Failure] = []
    /// Refused documents beyond those listed.
    var omittedFailures = 0
    /// What damage in the repository cost.
    var lost: [RestoreReport.Failure] = []
    /// Documents behind `lost`; nil when a whole leaf list is gone, for nobody knows how many that were.
    var lostDocuments: Int? = 0
    /// The namespace, for messages.
    let namespace: String

    /// Documents whose fate is known; nil when damage hides it.
    var accountedDocuments: Int? { lostDocuments.map { $0 + documents + failures.count + omittedFailures } }

    /// A sentence when not every refused document is listed.
    var omission: String? {
        omittedFailures == 0 ? nil : "\(namespace): \(omittedFailures) more documents were refused and are not listed"
    }

    /// Adds what one thread did.
    mutating func add(_ other: InsertOutcome) {
        documents += other.documents
        rawBytes += other.rawBytes
        digest.add(other.digest)
        failures += other.failures
        omittedFailures += other.omittedFailures
        lost += other.lost
        lostDocuments = lostDocuments.flatMap { own in other.lostDocuments.map { own + $0 } }
    }
}
