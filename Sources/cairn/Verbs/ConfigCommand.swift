internal import ArgumentParser
internal import Bytes

/// `cairn config`.
struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Check a configuration file, or print an example or a JSON Schema of it.",
        discussion: """
            Example:
              cairn config example > /etc/cairn.yaml
              cairn config check /etc/cairn.yaml
            """,
        subcommands: [ConfigCheckCommand.self, ConfigExampleCommand.self, ConfigSchemaCommand.self])
}

/// `cairn config check`. No session: that would end at the first mistake.
struct ConfigCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Find mistakes in a configuration file.",
        discussion: """
            Every mistake with its line. Neither the repository nor the server is asked, and files that are named need \
            not be there: a file can be checked before it goes to where it is used. Exit code 2 when there is a mistake.

            Example:
              cairn config check /etc/cairn.yaml
            """)

    @Argument(help: "The file. (CAIRN_CONFIG)")
    var file: String?

    @Option(help: "The same as an option.")
    var config: String?

    @Flag(help: "Write the result as one JSON document.")
    var json = false

    func run() throws {
        guard let path = file ?? config ?? System.environment()["CAIRN_CONFIG"], !path.isEmpty else {
            throw CairnError(.usage, "no file named: `cairn config check /etc/cairn.yaml`")
        }
        let bytes = try System.read(path: path, byteCountMax: 1 << 20, what: "configuration file")
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CairnError(.usage, "the configuration file is not UTF-8 text", object: path)
        }
        let check = ConfigurationCheck(text, path: path)
        try Console.shared.writeResult(json ? document(check).text + "\n" : words(check, path: path))
        if !check.mistakes.isEmpty { throw VerbEnded(status: .usage) }
    }

    private func words(_ check: ConfigurationCheck, path: String) -> String {
        guard check.mistakes.isEmpty else {
            let count = check.mistakes.count
            return check.mistakes.map { Table.printable($0.description) + "\n" }.joined()
                + "\(count) \(count == 1 ? "mistake" : "mistakes")\n"
        }
        return "\(Table.printable(path)): no mistakes; \(check.settings) settings, \(check.replicas) replicas\n"
    }

    private func document(_ check: ConfigurationCheck) -> JSON {
        .object([
            ("valid", .bool(check.mistakes.isEmpty)), ("settings", .integer(check.settings)),
            ("replicas", .integer(check.replicas)),
            (
                "mistakes",
                .array(
                    check.mistakes.map { error in
                        let line = ConfigurationCheck.line(error)
                        return .object([
                            ("place", JSON(error.object)), ("line", line > 0 ? .integer(line) : .null),
                            ("message", .string(error.message)),
                        ])
                    })
            ),
        ])
    }
}

/// `cairn config example`.
struct ConfigExampleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "example", abstract: "Print a commented configuration file with every setting.",
        discussion: """
            Example:
              cairn config example > /etc/cairn.yaml
            """)

    func run() throws { try Console.shared.writeResult(ConfigurationExample.text) }
}

/// `cairn config schema`.
struct ConfigSchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Print the JSON Schema of the configuration file.",
        discussion: """
            Example:
              cairn config schema > cairn.schema.json
            """)

    func run() throws { try Console.shared.writeResult(ConfigurationSchema.json.text + "\n") }
}
