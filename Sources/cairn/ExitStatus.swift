internal import Bytes

/// What the process tells its caller by its exit code. Scripts rely on the numbers; they never change.
enum ExitStatus: Int32, CaseIterable {
    /// Done, complete.
    case done = 0
    /// Failed: nothing was committed, or the target is not complete.
    case failed = 1
    /// Wrong usage or configuration, a newer repository format included.
    case usage = 2
    /// Done with a warning that needs a person.
    case warning = 3
    /// No repository there.
    case noRepository = 10
    /// Held by another writer or by maintenance.
    case held = 11
    /// Wrong passphrase or key.
    case wrongKey = 12
    /// Damage found.
    case damaged = 13
    /// Stale, or a policy not met.
    case stale = 14
    /// What is needed lies in an archive tier and must be brought back first.
    case archived = 15
    /// Interrupted by SIGINT or SIGTERM.
    case interrupted = 130

    /// The one mapping from an error's code. Codes of the world outside (network, server, disk) are plain failures: the
    /// message carries the remedy, and a script can only try again.
    init(_ code: CairnError.Code) {
        switch code {
        case .usage, .unsupportedFormat: self = .usage
        case .noRepository: self = .noRepository
        case .held: self = .held
        case .wrongKey: self = .wrongKey
        case .corrupt: self = .damaged
        case .archived: self = .archived
        case .interrupted: self = .interrupted
        default: self = .failed
        }
    }
}
