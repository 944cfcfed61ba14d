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
    static func parse(_ text: String, path: String) throws -> ConfigurationFile {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw CairnError(.usage, "not valid YAML: \(error)", object: path)
        }
        var file = ConfigurationFile()
        guard let root else { return file }
        guard case .mapping(let mapping) = root else {
            throw failure(path, root, "the file must be a mapping of settings, `repository: /srv/backup` for example")
        }
        var settings = Node.Mapping([])
        for (key, node) in mapping {
            if key.string == replicasKey {
                file.replicas = try replicas(node, path: path)
            } else {
                settings[key] = node
            }
        }
        try collect(settings, section: nil, path: path, into: &file.values)
        return file
    }

    /// Each replica is described by the settings that describe a repository.
    private static func replicas(_ node: Node, path: String) throws -> [(name: String, [Setting: SettingValue])] {
        if case .scalar(let empty) = node, isNull(empty) { return [] }
        guard case .mapping(let named) = node else {
            throw failure(path, node, "`\(replicasKey)` holds a name for each replica, and its settings below that")
        }
        return try named.map { key, node in
            guard let name = key.string, !name.isEmpty, case .mapping(let mapping) = node else {
                throw failure(path, node, "a replica has a name, and settings below it, `repository` for example")
            }
            var values: [Setting: SettingValue] = [:]
            try collect(mapping, section: nil, path: path, into: &values)
            guard values[.repository] != nil || values[.repositoryFile] != nil else {
                throw failure(path, node, "the replica `\(name)` has no `repository`, which says where it lies")
            }
            for (setting, value) in values where !Setting.ofStores.contains(setting) {
                throw CairnError(
                    .usage, "`\(setting.rawValue)` says nothing about where a replica lies", object: value.place)
            }
            return (name, values)
        }
    }

    private static let replicasKey = "replicas"

    private static func collect(
        _ mapping: Node.Mapping, section: String?, path: String, into values: inout [Setting: SettingValue]
    ) throws {
        for (keyNode, node) in mapping {
            guard case .scalar(let key) = keyNode else { throw failure(path, keyNode, "a key must be a word") }
            if let setting = Setting.allCases.first(where: { $0.section == section && $0.key == key.string }) {
                let texts = try texts(of: node, for: setting, path: path)
                guard let texts else { continue }
                values[setting] = SettingValue(texts: texts, origin: .file(path: path, line: line(of: keyNode)))
            } else if section == nil, Setting.allCases.contains(where: { $0.section == key.string }) {
                if case .scalar(let empty) = node, isNull(empty) { continue }
                guard case .mapping(let inner) = node else {
                    throw failure(path, node, "`\(key.string)` holds further settings, one a line below it")
                }
                try collect(inner, section: key.string, path: path, into: &values)
            } else {
                throw failure(path, keyNode, unknown(key.string, section: section))
            }
        }
    }

    /// The texts of a value; nil for `key:` with nothing behind it, which is as good as not there.
    private static func texts(of node: Node, for setting: Setting, path: String) throws -> [String]? {
        switch (node, setting.kind) {
        case (.scalar(let scalar), _) where isNull(scalar): return nil
        case (.scalar(let scalar), .scalar), (.scalar(let scalar), .list): return [scalar.string]
        case (.scalar(let scalar), .path): return [resolve(scalar.string, besides: path)]
        case (.sequence(let sequence), .list):
            return try sequence.map { element in
                guard case .scalar(let scalar) = element else {
                    throw failure(path, element, "`\(setting.rawValue)` is a list of plain texts")
                }
                return scalar.string
            }
        case (_, .list): throw failure(path, node, "`\(setting.rawValue)` is a list, [\"one\", \"two\"] for example")
        default: throw failure(path, node, "`\(setting.rawValue)` takes one value")
        }
    }

    private static func isNull(_ scalar: Node.Scalar) -> Bool {
        scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
    }

    private static func resolve(_ value: String, besides path: String) -> String {
        guard !value.hasPrefix("/"), !value.contains("://"), let slash = path.lastIndex(of: "/") else { return value }
        return String(path[...slash]) + value
    }

    private static func line(of node: Node) -> Int { node.mark?.line ?? 1 }

    private static func failure(_ path: String, _ node: Node, _ message: String) -> CairnError {
        let place = node.mark.map { "\(path):\($0.line):\($0.column)" } ?? path
        return CairnError(.usage, message, object: place)
    }

    private static func unknown(_ key: String, section: String?) -> String {
        let shown = section.map { "\($0).\(key)" } ?? key
        let here = Setting.allCases.filter { $0.section == section }.map { $0.key }
        let sections = section == nil ? Set(Setting.allCases.compactMap { $0.section } + [replicasKey]).sorted() : []
        if let near = Suggestion.nearest(to: key, among: here + sections) {
            return "unknown setting `\(shown)`; did you mean `\(section.map { "\($0)." } ?? "")\(near)`?"
        }
        if let elsewhere = Setting.allCases.first(where: { $0.key == key }) {
            return "unknown setting `\(shown)`; `\(elsewhere.rawValue)` is known"
        }
        return "unknown setting `\(shown)`; known here: \((here + sections).joined(separator: ", "))"
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
