internal import Archive
internal import ArgumentParser
internal import Bytes
internal import Operations

/// `cairn key`.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "List, add, remove and rotate the keys that open the repository.",
        discussion: """
            Every key opens the whole repository: a passphrase for people, a key file for jobs.

            Example:
              cairn key add --new-key-file /etc/cairn/key --label nightly
            """,
        subcommands: [
            KeyListCommand.self, KeyAddCommand.self, KeyRemoveCommand.self, KeyRotateCommand.self,
            KeyReencryptCommand.self,
        ])
}

/// `cairn key list`.
struct KeyListCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the keys, oldest first.",
        discussion: """
            Example:
              cairn key list
            """)

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) throws -> ExitStatus {
        let report = try Keys(access: session.repositoryAccess()).list()
        try session.emit(text(report.keys), json: .array(report.keys.map(json)))
        session.report(report.damaged)
        return report.damaged.isEmpty ? .done : .damaged
    }

    private func text(_ keys: [KeyDescription]) -> String {
        var table = Table([("ID", .left), ("KIND", .left), ("ADDED", .left), ("LABEL", .left), ("", .left)])
        for key in keys {
            table.add([
                SnapshotText.short(key.id), kind(key), UTC.iso8601(Int(key.created / 1000)), key.label,
                key.isCurrent ? "in use" : "",
            ])
        }
        return table.text
    }

    private func json(_ key: KeyDescription) -> JSON {
        .object([
            ("id", .string(key.id.hex)), ("kind", .string(kind(key))),
            ("created", .string(UTC.iso8601(Int(key.created / 1000)))), ("label", .string(key.label)),
            ("current", .bool(key.isCurrent)),
        ])
    }

    private func kind(_ key: KeyDescription) -> String { key.isPassphrase ? "passphrase" : "key file" }
}

/// `cairn key add`.
struct KeyAddCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a passphrase or a key file.",
        discussion: """
            Without --new-passphrase-file and --new-key-file the new passphrase is asked for on the terminal.

            Example:
              cairn key add --new-passphrase-file second.txt --label "Jo, at home"
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "File that holds the new passphrase.")
    var newPassphraseFile: String?

    @Option(help: "File that holds the new 32-byte key.")
    var newKeyFile: String?

    @Option(help: "What `key list` calls the key.")
    var label = ""

    func validate() throws {
        if newPassphraseFile != nil && newKeyFile != nil {
            throw ValidationError("--new-passphrase-file and --new-key-file exclude each other")
        }
    }

    func run(_ session: Session) throws -> ExitStatus {
        let label = try KeyLabel.checked(label)
        let id = try Keys(access: session.repositoryAccess()).add(label: label, source: source)
        try session.emit("added key \(SnapshotText.short(id))\n", json: .object([("id", .string(id.hex))]))
        return .done
    }

    private func source() throws -> KeySource {
        if let newPassphraseFile { return try SecretFile.passphrase(path: newPassphraseFile) }
        if let newKeyFile { return try SecretFile.key(path: newKeyFile) }
        guard PassphrasePrompt.isPossible else {
            throw CairnError(.usage, "no new key was given; use --new-passphrase-file or --new-key-file")
        }
        return .passphrase(try PassphrasePrompt.askTwice("new passphrase"))
    }
}

/// `cairn key remove`.
struct KeyRemoveCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a key; the last one stays.",
        discussion: """
            Whoever opened the repository with the key before may have kept the master key: removing it keeps only \
            those out who never did.

            Example:
              cairn key remove 3f2a9c1e
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Id of the key, or the start of one.")
    var id: String

    func run(_ session: Session) throws -> ExitStatus {
        let removed = try Keys(access: session.repositoryAccess()).remove(prefix: id)
        try session.emit(
            "removed key \(SnapshotText.short(removed))\n", json: .object([("id", .string(removed.hex))]))
        return .done
    }
}

/// `cairn key rotate`.
struct KeyRotateCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Change the master key for everything written from now on.",
        discussion: """
            What was written before stays as it is, readable with the new keys, and with the old ones to whoever kept \
            them. All secrets that shall go on opening the repository are needed: the one in use and those given here. \
            Keys whose secrets are missing keep it from running, unless --revoke-others lets them go: so a passphrase \
            that leaked opens nothing any more. No other job may be at work.

            With --reencrypt what was written before is encrypted anew, too, beside running backups; it takes as much \
            space again until `cairn prune` has removed the old packs. That keeps those out who kept the old master \
            key and look at the repository later; nothing helps against copies that they made before.

            Example:
              cairn key rotate --keep-passphrase-file second.txt --revoke-others
            """)

    @OptionGroup var global: GlobalOptions

    @Option(help: "File with another passphrase that stays; may be repeated.")
    var keepPassphraseFile: [String] = []

    @Option(help: "File with another 32-byte key that stays; may be repeated.")
    var keepKeyFile: [String] = []

    @Flag(help: "Remove all keys whose secrets are not given.")
    var revokeOthers = false

    @Flag(help: "Encrypt what was written before under the new key, too.")
    var reencrypt = false

    func run(_ session: Session) throws -> ExitStatus {
        let others =
            try keepPassphraseFile.map { try SecretFile.passphrase(path: $0) }
            + keepKeyFile.map { try SecretFile.key(path: $0) }
        let access = try session.repositoryAccess()
        let rotation = try Keys(access: access).rotate(others: others, revokesOthers: revokeOthers)
        let report = reencrypt ? try encryptAnew(access, session) : nil
        var text = "key epoch \(rotation.repository.keys.currentEpoch) from now on\n"
        for id in rotation.added { text += "  added   \(SnapshotText.short(id))\n" }
        for id in rotation.revoked { text += "  revoked \(SnapshotText.short(id))\n" }
        if let report { text += RewriteText.reencrypted(report) }
        var fields: [(String, JSON)] = [
            ("epoch", .integer(Int(rotation.repository.keys.currentEpoch))),
            ("added", .array(rotation.added.map { .string($0.hex) })),
            ("replaced", .array(rotation.replaced.map { .string($0.hex) })),
            ("revoked", .array(rotation.revoked.map { .string($0.hex) })),
        ]
        if let report { fields.append(("reencryption", RewriteText.json(report))) }
        try session.emit(text, json: .object(fields))
        return report?.unreadable.isEmpty == false ? .warning : .done
    }

    private func encryptAnew(_ access: RepositoryAccess, _ session: Session) throws -> ReencryptionReport {
        do {
            return try session.reencrypt(access)
        } catch {
            session.warn(
                "the master key was changed; what was written before is not under it yet: run "
                    + "`cairn key reencrypt`")
            throw error
        }
    }
}

/// `cairn key reencrypt`.
struct KeyReencryptCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "reencrypt", abstract: "Encrypt what is under older master keys under the newest one.",
        discussion: """
            What `cairn key rotate --reencrypt` does after it has changed the key: goes on with one that was \
            interrupted, or does it later. Safe beside running backups; `cairn prune` removes the old packs. Run it \
            again when backups ran meanwhile and packs are left.

            Example:
              cairn key reencrypt
            """)

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) throws -> ExitStatus {
        let report = try session.reencrypt(try session.repositoryAccess())
        try session.emit(RewriteText.reencrypted(report), json: RewriteText.json(report))
        return report.unreadable.isEmpty ? .done : .warning
    }
}

extension Session {
    fileprivate func reencrypt(_ access: RepositoryAccess) throws -> ReencryptionReport {
        let report = try runJob { progress, cancellation in
            try ReencryptRepository(access: access, progress: progress, cancellation: cancellation).run()
        }
        self.report(report.unreadable)
        return report
    }
}

/// What a key may be called.
enum KeyLabel {
    private static let byteCountMax = 256

    /// The label, if it is short enough for a key object.
    static func checked(_ label: String) throws -> String {
        guard label.utf8.count <= byteCountMax else {
            throw CairnError(.usage, "a label has at most \(byteCountMax) bytes", object: "--label")
        }
        return label
    }
}
