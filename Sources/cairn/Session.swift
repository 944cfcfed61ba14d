internal import Archive
internal import ArgumentParser
internal import Bytes
internal import Logging
internal import ObjectStore
internal import Operations

/// What a verb has in hand while it runs: the merged settings, the log, and where results go.
struct Session {
    let configuration: Configuration
    let log: Logger
    private let options: GlobalOptions

    init(options: GlobalOptions, flags: [Setting: SettingValue]) throws {
        self.options = options
        let level: Logger.Level = options.quiet ? .warning : options.verbose ? .debug : .info
        let json = options.json
        LoggingSystem.bootstrap { _ in StandardErrorLog(level: level, json: json) }
        log = Logger(label: "cairn")
        configuration = try Configuration(
            flags: options.settings.merging(flags) { _, verb in verb }, configurationPath: options.config,
            environment: System.environment())
    }

    /// Whether results are JSON.
    var json: Bool { options.json }

    /// Logs what a person should read.
    func warn(_ message: String) { log.warning("\(message)") }

    /// Reports damage that did not stop the verb.
    func report(_ damage: [CairnError]) {
        for error in damage { ErrorText.write(error, json: options.json) }
    }

    /// Writes the verb's one result, in the form that was asked for.
    func emit(_ text: @autoclosure () throws -> String, json document: @autoclosure () throws -> JSON) throws {
        try Console.shared.writeResult(options.json ? try document().text + "\n" : try text())
    }

    /// The repository with what opens it; asks for the passphrase when nothing names one and there is a terminal.
    func repositoryAccess() throws -> RepositoryAccess {
        let location = try repositoryLocation()
        let stores = try configuration.stores()
        if let key = try configuredKey() { return RepositoryAccess(location: location, stores: stores, key: key) }
        guard PassphrasePrompt.isPossible else { throw Session.noKey }
        try RepositoryAccess.probe(location: location, stores: stores)
        let secret = try PassphrasePrompt.ask("passphrase of \(location)")
        return RepositoryAccess(location: location, stores: stores, key: .passphrase(secret))
    }

    /// The repository's store alone, for what needs no key.
    func repositoryStore() throws -> any ObjectStore {
        try repositoryLocation().open(try configuration.stores())
    }

    /// The same for a repository that does not exist yet: the passphrase is asked for twice.
    func newRepositoryAccess() throws -> RepositoryAccess {
        let location = try repositoryLocation()
        let stores = try configuration.stores()
        if let key = try configuredKey() { return RepositoryAccess(location: location, stores: stores, key: key) }
        guard PassphrasePrompt.isPossible else { throw Session.noKey }
        let secret = try PassphrasePrompt.askTwice("new passphrase of \(location)")
        return RepositoryAccess(location: location, stores: stores, key: .passphrase(secret))
    }

    /// The server, with a warning when its password can be seen.
    func deployment() throws -> DeploymentAccess {
        try configuration.deployment(warn: warn)
    }

    /// The replicas of those names, with a warning when a password can be seen.
    func replicaTargets(_ names: [String]) throws -> [ReplicaTarget] {
        try configuration.replicaTargets(names, warn: warn)
    }

    /// Runs a job with its progress shown, and SIGINT and SIGTERM setting its flag.
    func runJob<Result>(_ job: (JobProgress, Cancellation) throws -> Result) throws -> Result {
        let cancellation = Cancellation()
        StopSignals.stopGently(cancellation)
        let progress = JobProgress()
        let reporter = ProgressReporter(progress, style: .fitting(json: options.json, quiet: options.quiet))
        defer { reporter.stop() }
        return try job(progress, cancellation)
    }

    /// Where the repository lies, with a warning when its password can be seen.
    private func repositoryLocation() throws -> StoreLocation {
        try configuration.repository(warn: warn)
    }

    private func configuredKey() throws -> KeySource? {
        guard let (setting, value) = try configuration.either(.passphraseFile, .keyFile) else { return nil }
        return setting == .keyFile
            ? try SecretFile.key(path: value.text) : try SecretFile.passphrase(path: value.text)
    }

    private static var noKey: CairnError {
        CairnError(
            .usage,
            "nothing opens the repository; use --passphrase-file, --key-file, CAIRN_PASSPHRASE_FILE or CAIRN_KEY_FILE")
    }
}

/// Files that hold what opens a repository.
enum SecretFile {
    /// A passphrase: the file's bytes without one newline at their end, which editors add.
    static func passphrase(path: String) throws -> KeySource {
        var bytes = try System.read(path: path, byteCountMax: 4096, what: "passphrase file")
        defer { System.wipe(&bytes) }
        var end = bytes.count
        if end > 0 && bytes[end - 1] == UInt8(ascii: "\n") { end -= 1 }
        if end > 0 && end < bytes.count && bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        guard end > 0 else { throw CairnError(.usage, "the passphrase file is empty", object: path) }
        let secret = SecretBytes(copying: bytes.rawSpan.extracting(first: end))
        return .passphrase(secret)
    }

    /// A key file: exactly 32 bytes, taken as they are.
    static func key(path: String) throws -> KeySource {
        var bytes = try System.read(path: path, byteCountMax: 4096, what: "key file")
        defer { System.wipe(&bytes) }
        guard bytes.count == 32 else {
            throw CairnError(
                .usage,
                "a key file holds 32 random bytes, this one \(bytes.count);"
                    + " make one with `head -c 32 /dev/urandom`", object: path)
        }
        return .keyFile(SecretBytes(copying: bytes.rawSpan))
    }
}
