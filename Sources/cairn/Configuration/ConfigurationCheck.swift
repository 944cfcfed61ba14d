internal import Bytes
internal import Operations

/// Everything that is wrong with a configuration file, found without a repository or a server.
struct ConfigurationCheck {
    /// What is wrong, in the order of the file.
    private(set) var mistakes: [CairnError]
    /// Settings and replicas that the file has.
    let settings: Int
    let replicas: Int

    private static let exclusive: [(Setting, Setting)] = [
        (.repository, .repositoryFile), (.uri, .uriFile), (.passphraseFile, .keyFile),
    ]

    /// Checks a text; `path` is for messages.
    init(_ text: String, path: String) {
        let (file, mistakes) = ConfigurationFile.read(text, path: path)
        self.mistakes = mistakes
        settings = file.values.count
        replicas = file.replicas.count
        check(file.values)
        for replica in file.replicas { check(replica.settings) }
        self.mistakes.sort { Self.line($0) < Self.line($1) }
    }

    private mutating func check(_ values: [Setting: SettingValue]) {
        for (setting, value) in values {
            for text in value.texts {
                note { try setting.description.syntax.check(text, place: value.place) }
            }
        }
        for (first, second) in Self.exclusive {
            guard let one = values[first], let other = values[second] else { continue }
            mistakes.append(
                CairnError(
                    .usage, "`\(first.rawValue)` and `\(second.rawValue)` are both set; choose one",
                    object: Self.line(one) > Self.line(other) ? one.place : other.place))
        }
        if let value = values[.repository] {
            note { try SettingSyntax.placed(value.place) { _ = try StoreLocation(value.text) } }
        }
    }

    private mutating func note(_ check: () throws -> Void) {
        do {
            try check()
        } catch let error as CairnError {
            mistakes.append(error)
        } catch {
            mistakes.append(CairnError(.usage, "\(error)"))
        }
    }

    private static func line(_ value: SettingValue) -> Int {
        if case .file(_, let line) = value.origin { return line }
        return 0
    }

    /// The line of a place such as `cairn.yaml:3:1`.
    static func line(_ error: CairnError) -> Int {
        let parts = (error.object ?? "").split(separator: ":").compactMap { Int($0) }
        return parts.first ?? 0
    }
}
