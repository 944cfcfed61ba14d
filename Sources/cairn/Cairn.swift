internal import ArgumentParser
internal import Bytes

/// The command `cairn`: picks the verb, runs it, and turns what comes out into an exit code.
@main
struct Cairn: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cairn",
        abstract: "Backs MongoDB up into an encrypted, deduplicated repository, and restores it.",
        discussion: """
            Settings come from flags, else from the environment (CAIRN_REPOSITORY, CAIRN_URI, CAIRN_PASSPHRASE_FILE, \
            CAIRN_KEY_FILE, …), else from the YAML file that --config or CAIRN_CONFIG names. Results go to standard \
            output, everything else to standard error.

            Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 done with a warning that needs a person; \
            10 no repository there; 11 held by another writer or by maintenance; 12 wrong passphrase or key; 13 damage \
            found; 14 stale; 15 must be brought back from an archive tier first; 130 interrupted.

            Example:
              export CAIRN_REPOSITORY=/srv/backup CAIRN_KEY_FILE=/etc/cairn/key
              cairn init
              cairn backup --uri mongodb://db.example.org/?replicaSet=rs0
              cairn snapshots
            """,
        version: VersionText.full,
        subcommands: [
            InitCommand.self, BackupCommand.self, FollowCommand.self, RestoreCommand.self, SnapshotsCommand.self,
            TimelineCommand.self, ShowCommand.self, CatCommand.self, DiffCommand.self, CompactCommand.self,
            ForgetCommand.self, PruneCommand.self, StatsCommand.self, ReplicateCommand.self, ReplicasCommand.self,
            AtlasCommand.self, CheckCommand.self, KeyCommand.self, UnlockCommand.self, AuditCommand.self,
            RunCommand.self, StatusCommand.self, ScheduleCommand.self, ConfigCommand.self, CompletionsCommand.self,
        ])

    static func main() {
        OpenSSLLifetime.lastsUntilProcessEnds()
        StopSignals.start()
        let status = run(Array(CommandLine.arguments.dropFirst()))
        System.end(status.rawValue)
    }

    private static func run(_ arguments: [String]) -> ExitStatus {
        do {
            var command = try parseAsRoot(arguments)
            try command.run()
            return .done
        } catch let error as VerbEnded {
            return error.status
        } catch is Console.OutputClosed {
            return .done
        } catch {
            return report(error, json: arguments.contains("--json"))
        }
    }

    /// Writes an error to standard error and names its exit code. Help and version arrive here too: ArgumentParser
    /// throws them, and they are results.
    private static func report(_ error: any Error, json: Bool) -> ExitStatus {
        let failure: CairnError
        if let error = error as? CairnError {
            failure = error
        } else if exitCode(for: error) == .success {
            do { try Console.shared.writeResult(message(for: error) + "\n") } catch { return .failed }
            return .done
        } else if !json {
            Console.shared.writeMessage(fullMessage(for: error))
            return .usage
        } else {
            failure = CairnError(.usage, message(for: error))
        }
        ErrorText.write(failure, json: json)
        return ExitStatus(failure.code)
    }
}

/// Thrown by a verb that has delivered its result and ends with another code than 0.
struct VerbEnded: Error {
    let status: ExitStatus
}

/// The wording of errors.
enum ErrorText {
    /// Writes an error to standard error.
    static func write(_ error: CairnError, json: Bool) {
        Console.shared.writeMessage(json ? ErrorText.json(error).text : line(error))
    }

    /// One line for people.
    static func line(_ error: CairnError) -> String { "error: " + Table.printable(error.description) }

    /// One line for programs.
    static func json(_ error: CairnError) -> JSON {
        var message = error.message
        if let cause = error.underlying { message += " (\(cause))" }
        return .object([
            (
                "error",
                .object([
                    ("code", .string(error.code.name)), ("message", .string(message)), ("object", JSON(error.object)),
                    ("offset", error.offset.map { .integer($0) } ?? .null),
                ])
            )
        ])
    }
}
