internal import Bytes
internal import Yams

/// The YAML configuration file: a mapping of settings, some of them in sections.
///
///     repository: /srv/backup/cairn
///     uri-file: /etc/cairn/uri
///     passphrase-file: /etc/cairn/passphrase
///     replicas:
///       west:
///         repository: azblob://account/container
///     backup:
///       level: default
///       ns-exclude: ["scratch.*"]
///
/// A key that is not known is refused: a misspelt `ns-exclude` must not turn into a backup of everything, nor a
/// misspelt `ns-include` into one of nothing.
struct ConfigurationFile {
    /// The settings.
    var values: [Setting: SettingValue] = [:]
    /// The replicas in the order of the file, each with the settings of its store.
    var replicas: [(name: String, settings: [Setting: SettingValue])] = []

    private static let byteCountMax = 1 << 20

    /// Reads and parses the file at `path`.
    static func load(path: String) throws -> ConfigurationFile {
        let bytes = try System.read(path: path, byteCountMax: byteCountMax, what: "configuration file")
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CairnError(.usage, "the configuration file is not UTF-8 text", object: path)
        }
        return try parse(text, path: path)
    }

    /// Parses the text of a file; `path` is for messages and for the folder that relative paths start from.
    ///
    /// - Throws: the first mistake.
    static func parse(_ text: String, path: String) throws -> ConfigurationFile {
        let (file, mistakes) = read(text, path: path)
        if let first = mistakes.first { throw first }
        return file
    }

    /// The same with every mistake in it, in the order of the file, and without what they are about.
    static func read(_ text: String, path: String) -> (file: ConfigurationFile, mistakes: [CairnError]) {
        var file = ConfigurationFile()
        var reader = Reader(path: path)
        do {
            guard let root = try Yams.compose(yaml: text) else { return (file, []) }
            try reader.read(root, into: &file)
        } catch let error as YamlError {
            reader.mistakes.append(notYAML(error, path: path))
        } catch let error as CairnError {
            reader.mistakes.append(error)
        } catch {
            reader.mistakes.append(CairnError(.usage, "not valid YAML: \(error)", object: path))
        }
        return (file, reader.mistakes)
    }

    /// The parser's own words take several lines and repeat the text.
    private static func notYAML(_ error: YamlError, path: String) -> CairnError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            CairnError(.usage, "not valid YAML: \(problem)", object: "\(path):\(mark.line):\(mark.column)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            CairnError(
                .usage,
                "not valid YAML: \(duplicates.joined(separator: ", ")) is there more than once",
                object: "\(path):\(context.mark.line):\(context.mark.column)")
        default: CairnError(.usage, "not valid YAML: \(error)", object: path)
        }
    }

    /// The section of the replicas.
    static let replicasKey = "replicas"

    private static func resolve(_ value: String, besides path: String) -> String {
        guard !value.hasPrefix("/"), !value.contains("://"), let slash = path.lastIndex(of: "/") else { return value }
        return String(path[...slash]) + value
    }
}

extension ConfigurationFile {
    /// Goes through a file and notes what is wrong with it.
    private struct Reader {
        let path: String
        var mistakes: [CairnError] = []

        mutating func read(_ root: Node, into file: inout ConfigurationFile) throws {
            guard case .mapping(let mapping) = root else {
                throw failure(root, "the file must be a mapping of settings, `repository: /srv/backup` for example")
            }
            for (key, node) in mapping {
                if key.string == ConfigurationFile.replicasKey {
                    attempt(node) { try $0.replicas(node, into: &file.replicas) }
                } else {
                    collect([(key, node)], section: nil, into: &file.values)
                }
            }
        }

        /// Goes on behind a mistake, so that a person sees all of them at once.
        private mutating func attempt(_ node: Node, _ body: (inout Reader) throws -> Void) {
            do {
                try body(&self)
            } catch let error as CairnError {
                mistakes.append(error)
            } catch {
                mistakes.append(failure(node, "\(error)"))
            }
        }

        /// Each replica is described by the settings that describe a repository.
        private mutating func replicas(
            _ node: Node, into replicas: inout [(name: String, settings: [Setting: SettingValue])]
        ) throws {
            if case .scalar(let empty) = node, Self.isNull(empty) { return }
            guard case .mapping(let named) = node else {
                throw failure(
                    node,
                    "`\(ConfigurationFile.replicasKey)` holds a name for each replica, and its settings below that")
            }
            for (key, node) in named {
                attempt(node) { reader in
                    guard let name = key.string, !name.isEmpty, case .mapping(let mapping) = node else {
                        throw reader.failure(
                            node, "a replica has a name, and settings below it, `repository` for example")
                    }
                    let known = reader.mistakes.count
                    var values: [Setting: SettingValue] = [:]
                    reader.collect(mapping.map { ($0.key, $0.value) }, section: nil, into: &values)
                    for (setting, value) in values where !Setting.ofStores.contains(setting) {
                        reader.mistakes.append(
                            CairnError(
                                .usage, "`\(setting.rawValue)` says nothing about where a replica lies",
                                object: value.place))
                    }
                    // A misspelt `repository` is one mistake and not two.
                    let isPlaced = values[.repository] != nil || values[.repositoryFile] != nil
                    guard isPlaced || reader.mistakes.count > known else {
                        throw reader.failure(
                            node, "the replica `\(name)` has no `repository`, which says where it lies")
                    }
                    replicas.append((name, values))
                }
            }
        }

        private mutating func collect(
            _ mapping: [(Node, Node)], section: String?, into values: inout [Setting: SettingValue]
        ) {
            for (keyNode, node) in mapping {
                attempt(keyNode) { reader in
                    guard case .scalar(let key) = keyNode else {
                        throw reader.failure(keyNode, "a key must be a word")
                    }
                    if let setting = Setting.allCases.first(where: { $0.section == section && $0.key == key.string }) {
                        guard let texts = try reader.texts(of: node, for: setting) else { return }
                        let line = keyNode.mark?.line ?? 1
                        values[setting] = SettingValue(texts: texts, origin: .file(path: reader.path, line: line))
                    } else if section == nil, Setting.allCases.contains(where: { $0.section == key.string }) {
                        if case .scalar(let empty) = node, Self.isNull(empty) { return }
                        guard case .mapping(let inner) = node else {
                            throw reader.failure(
                                node, "`\(key.string)` holds further settings, one a line below it")
                        }
                        reader.collect(inner.map { ($0.key, $0.value) }, section: key.string, into: &values)
                    } else {
                        throw reader.failure(keyNode, Self.unknown(key.string, section: section))
                    }
                }
            }
        }

        /// The texts of a value; nil for `key:` with nothing behind it, which is as good as not there.
        private func texts(of node: Node, for setting: Setting) throws -> [String]? {
            switch (node, setting.kind) {
            case (.scalar(let scalar), _) where Self.isNull(scalar): return nil
            case (.scalar(let scalar), .scalar), (.scalar(let scalar), .list): return [scalar.string]
            case (.scalar(let scalar), .path): return [ConfigurationFile.resolve(scalar.string, besides: path)]
            case (.sequence(let sequence), .list):
                return try sequence.map { element in
                    guard case .scalar(let scalar) = element else {
                        throw failure(element, "`\(setting.rawValue)` is a list of plain texts")
                    }
                    return scalar.string
                }
            case (_, .list): throw failure(node, "`\(setting.rawValue)` is a list, [\"one\", \"two\"] for example")
            default: throw failure(node, "`\(setting.rawValue)` takes one value")
            }
        }

        private static func isNull(_ scalar: Node.Scalar) -> Bool {
            scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
        }

        func failure(_ node: Node, _ message: String) -> CairnError {
            let place = node.mark.map { "\(path):\($0.line):\($0.column)" } ?? path
            return CairnError(.usage, message, object: place)
        }

        private static func unknown(_ key: String, section: String?) -> String {
            let shown = section.map { "\($0).\(key)" } ?? key
            let here = Setting.allCases.filter { $0.section == section }.map { $0.key }
            let sections =
                section == nil
                ? Set(Setting.allCases.compactMap { $0.section } + [ConfigurationFile.replicasKey]).sorted() : []
            if let near = Suggestion.nearest(to: key, among: here + sections) {
                return "unknown setting `\(shown)`; did you mean `\(section.map { "\($0)." } ?? "")\(near)`?"
            }
            if let elsewhere = Setting.allCases.first(where: { $0.key == key }) {
                return "unknown setting `\(shown)`; `\(elsewhere.rawValue)` is known"
            }
            return "unknown setting `\(shown)`; known here: \((here + sections).joined(separator: ", "))"
        }
    }
}

/// Finds what a misspelt word was meant to be.
enum Suggestion {
    /// The candidate with the smallest edit distance, if that is at most a third of the word's length; two letters
    /// changing places count as two edits, which any word of four letters may have.
    static func nearest(to word: String, among candidates: [String]) -> String? {
        let limit = max(word.count < 4 ? 1 : 2, word.count / 3)
        return candidates.map { ($0, distance(word, $0)) }.filter { $0.1 <= limit }.min { $0.1 < $1.1 }?.0
    }

    /// The number of insertions, deletions and replacements between two words (Levenshtein).
    static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (i, a) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in right.enumerated() {
                let replaced = diagonal + (a == b ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}
