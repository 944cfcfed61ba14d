internal import Bytes
internal import Mongo

/// Why a scan has to be taken again at a newer time, how often that is tried, and what a person is told.
///
/// All ranges of a snapshot share one read time. When some range cannot be read at it any more, nothing but a whole
/// scan at another time gives a snapshot that is exact; what was stored already is found by content and not stored
/// again.
enum RescanCause: Hashable {
    /// The read time left the server's history window: the scan takes longer than that.
    case outlasted
    /// A collection was dropped, renamed or made again before it was read.
    case definitionsChanged
    /// The node was restarted or rolled back: its record ids are others now.
    case nodeChanged

    /// The cause, when a range cannot be read at the scan's time; nil for any other failure.
    init?(_ error: CairnError) {
        switch error.code {
        case .snapshotTooOld: self = .outlasted
        case .snapshotUnavailable: self = error.underlying is ServerError ? .definitionsChanged : .nodeChanged
        default: return nil
        }
    }

    /// How often the whole scan is taken. A second one is often faster, for what it meets is stored; a third that is
    /// still too slow says that more would be. Changes of definitions come in bursts (a migration, a nightly job) that
    /// pass.
    var scansMax: Int {
        switch self {
        case .outlasted, .nodeChanged: 3
        case .definitionsChanged: 6
        }
    }

    /// The sentence in the snapshot's warnings.
    func warning(_ error: CairnError, after time: Duration) -> String {
        let outcome = "everything was read again at a newer time"
        let seconds = time.components.seconds
        switch self {
        case .outlasted: return "the scan's read time left the server's snapshot history after \(seconds) s; \(outcome)"
        case .definitionsChanged:
            return
                "\(error.object ?? "a collection") was dropped, renamed or made again after \(seconds) s of the scan; "
                + outcome
        case .nodeChanged:
            return "the node that is read was restarted or rolled back after \(seconds) s of the scan; \(outcome)"
        }
    }

    /// The error that ends the job.
    func failure(_ error: CairnError, scans: Int) -> CairnError {
        let reason =
            switch self {
            case .outlasted:
                "in \(scans) scans the read time left the server's snapshot history before everything was read. "
                    + "Raise the server "
                    + "parameter minSnapshotHistoryWindowInSeconds above the time that a scan takes, give the backup "
                    + "more "
                    + "readers, or leave namespaces out (--ns-exclude)"
            case .nodeChanged:
                "the node that is read was restarted or rolled back during each of \(scans) scans. Run the backup "
                    + "again when it stays "
                    + "up, or read another member (--read-preference)"
            case .definitionsChanged:
                "in each of \(scans) scans some collection was dropped, renamed or made again before it was read, "
                    + "this one last. "
                    + "Run the backup again when the deployment is less busy with that, or leave such namespaces out "
                    + "(--ns-exclude)"
            }
        return CairnError(
            error.code, reason + ". What was read is stored and will not be stored again", object: error.object,
            underlying: error)
    }
}
