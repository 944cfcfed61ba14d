/// The one error type of all modules: what the world did to us, never a bug of ours (those trap).
///
/// An error names the object or namespace, the offset where one is known, and the remedy. It never carries a secret:
/// connection strings are redacted before they reach a message.
public struct CairnError: Error, CustomStringConvertible, Sendable {
    /// What kind of failure this is. An open set: new codes do not break callers, which compare with `==`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The stable spelling, as it appears in `--json` output.
        public let name: String

        private init(_ name: String) { self.name = name }

        /// The stable spelling.
        public var description: String { name }

        /// Stored bytes fail authentication, parsing or a consistency rule.
        public static let corrupt = Code("corrupt")
        /// The named object, snapshot, namespace or document does not exist.
        public static let notFound = Code("notFound")
        /// Put-if-absent met an existing object, or a target is not empty.
        public static let alreadyExists = Code("alreadyExists")
        /// The location holds no repository.
        public static let noRepository = Code("noRepository")
        /// No key object opens with the given passphrase or key file.
        public static let wrongKey = Code("wrongKey")
        /// Another writer or maintenance holds a lease that excludes this operation.
        public static let held = Code("held")
        /// The repository's format version or a feature is not known to this program.
        public static let unsupportedFormat = Code("unsupportedFormat")
        /// The operating system reported an I/O error.
        public static let io = Code("io")
        /// The file system or quota is full.
        public static let noSpace = Code("noSpace")
        /// Wrong usage or configuration.
        public static let usage = Code("usage")
        /// The object is in a tier that must bring it back before it can be read.
        public static let archived = Code("archived")
        /// A retention policy of the store forbids to change or delete the object yet.
        public static let immutable = Code("immutable")
        /// A signal or a caller asked to stop.
        public static let interrupted = Code("interrupted")
        /// A stated maximum was exceeded.
        public static let limit = Code("limit")
        /// No server answered within the stated timeout.
        public static let unreachable = Code("unreachable")
        /// The server refused the credentials.
        public static let authentication = Code("authentication")
        /// The server refused an action to this user.
        public static let privilege = Code("privilege")
        /// The server reported another error.
        public static let server = Code("server")
        /// A cursor died under us (killed, timed out, node stepped down); the range can be resumed.
        public static let cursorLost = Code("cursorLost")
        /// The read time left the server's snapshot history window.
        public static let snapshotTooOld = Code("snapshotTooOld")
        /// The server cannot read the collection at that time (for instance after DDL on it).
        public static let snapshotUnavailable = Code("snapshotUnavailable")
        /// The oplog does not hold what is asked for: its oldest entry is later, or the history took another course.
        public static let oplogGap = Code("oplogGap")
        /// The operation ended, but something that it was asked to do is missing from the result.
        public static let incomplete = Code("incomplete")
        /// Another stage failed first; this error only unwinds the stages beside it.
        public static let cancelled = Code("cancelled")
    }

    /// What kind of failure.
    public let code: Code
    /// One or more sentences for a person, with the remedy.
    public let message: String
    /// The object's name, the namespace or the file concerned.
    public let object: String?
    /// The byte offset inside `object`.
    public let offset: Int?
    /// What caused it.
    public let underlying: (any Error)?

    /// Cold on purpose: error paths stay out of the callers' instruction stream.
    @inline(never)
    public init(
        _ code: Code, _ message: String, object: String? = nil, offset: Int? = nil, underlying: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.object = object
        self.offset = offset
        self.underlying = underlying
    }

    /// `object (at offset n): message: cause`.
    public var description: String {
        var text = ""
        if let object { text += object }
        if let offset { text += text.isEmpty ? "at offset \(offset)" : " at offset \(offset)" }
        if !text.isEmpty { text += ": " }
        text += message
        if let underlying { text += " (\(underlying))" }
        return text
    }
}
