internal import Bytes
internal import Operations

/// The settings of one run, each from the strongest of its sources: flag, environment, file.
struct Configuration {
    private var values: [Setting: SettingValue]
    /// The process's environment, for what other tools name.
    let environment: [String: String]
    /// The replicas that the file names.
    private(set) var replicas: [(name: String, settings: [Setting: SettingValue])] = []

    /// Merges the three sources. The file is the one that `--config` names, else the one that `CAIRN_CONFIG` names;
    /// there is no file that is read unasked. A variable that is set to nothing counts as not set.
    init(
        flags: [Setting: SettingValue], configurationPath: String?, environment: [String: String]
    ) throws {
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        values = [:]
        self.environment = environment
        if let path = configurationPath ?? variable("CAIRN_CONFIG") {
            let file = try ConfigurationFile.load(path: path)
            values = file.values
            replicas = file.replicas
        }
        for setting in Setting.allCases {
            guard let name = setting.variable, let text = variable(name) else { continue }
            values[setting] = SettingValue(texts: [text], origin: .environment(variable: name))
        }
        values.merge(flags) { _, flag in flag }
    }

    /// Describes another store than the repository's: nothing of that one's settings is inherited. Limits of this run,
    /// by a flag or the environment, are about the line, and hold for every store.
    mutating func replaceStoreSettings(by settings: [Setting: SettingValue]) {
        for setting in Setting.ofStores {
            let isOfThisRun = [.limitUpload, .limitDownload].contains(setting) && (values[setting]?.rank ?? 0) > 0
            if !isOfThisRun { values[setting] = settings[setting] }
        }
    }

    /// The value of a setting with its origin.
    subscript(_ setting: Setting) -> SettingValue? { values[setting] }

    /// The texts of a list.
    func list(_ setting: Setting) -> [String] { values[setting]?.texts ?? [] }

    /// A whole number inside a range, nil when not set.
    func integer(_ setting: Setting, in range: ClosedRange<Int>) throws -> Int? {
        guard let value = values[setting] else { return nil }
        guard let number = Int(value.text), range.contains(number) else {
            throw CairnError(
                .usage, "`\(value.text)` is not a number from \(range.lowerBound) to \(range.upperBound)",
                object: value.place)
        }
        return number
    }

    /// One of several words, nil when not set.
    func choice(_ setting: Setting, of words: [String]) throws -> String? {
        guard let value = values[setting] else { return nil }
        guard words.contains(value.text) else {
            throw CairnError(
                .usage, "`\(value.text)` is not one of \(words.joined(separator: ", "))", object: value.place)
        }
        return value.text
    }

    /// The stronger of two settings that exclude each other; named at the same strength they are a contradiction.
    func either(_ first: Setting, _ second: Setting) throws -> (Setting, SettingValue)? {
        switch (values[first], values[second]) {
        case (nil, nil): return nil
        case (let value?, nil): return (first, value)
        case (nil, let value?): return (second, value)
        case (let one?, let other?):
            guard one.rank != other.rank else {
                throw CairnError(
                    .usage, "`\(first.rawValue)` and `\(second.rawValue)` are both set; choose one",
                    object: "\(one.place), \(other.place)")
            }
            return one.rank > other.rank ? (first, one) : (second, other)
        }
    }

    /// zstd level by number or name: `fast` is 1, `default` 3, `max` 19.
    func level() throws -> Int {
        guard let value = values[.backupLevel] else { return 3 }
        return try Self.level(value.text, place: value.place)
    }

    /// The same of a text that stands at `place`.
    static func level(_ text: String, place: String) throws -> Int {
        switch text {
        case "fast": return 1
        case "default": return 3
        case "max": return 19
        default:
            guard let level = Int(text), (1...19).contains(level) else {
                throw CairnError(
                    .usage, "`\(text)` is not a compression level: 1 to 19, fast, default or max", object: place)
            }
            return level
        }
    }

    /// Where the repository lies. `warn` gets advice on a password that other users can see.
    func repository(warn: (String) -> Void = { _ in }) throws -> StoreLocation {
        guard let (setting, value) = try either(.repository, .repositoryFile) else {
            throw CairnError(
                .usage, "no repository named; use --repository, CAIRN_REPOSITORY or `repository` in the --config file")
        }
        guard setting == .repository else { return try StoreLocation(try connectionString(in: value, "repository")) }
        let location = try StoreLocation(value.text)
        if case .flag = value.origin, location.holdsSecret {
            warn(
                "the password in --repository is visible to other users of this machine; "
                    + "use CAIRN_REPOSITORY or --repository-file")
        }
        return location
    }

    /// The first word of a file that holds a connection string.
    private func connectionString(in value: SettingValue, _ what: String) throws -> String {
        let bytes = try System.read(path: value.text, byteCountMax: 64 << 10, what: "file with the \(what)'s URI")
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CairnError(.usage, "the \(what)'s URI is not UTF-8 text", object: value.text)
        }
        guard let word = text.split(whereSeparator: \.isWhitespace).first else {
            throw CairnError(.usage, "the file with the \(what)'s URI is empty", object: value.text)
        }
        return String(word)
    }

    /// The deployment to read from or write to. `warn` gets advice on a password that other users can see.
    func deployment(warn: (String) -> Void) throws -> DeploymentAccess {
        guard let (setting, value) = try either(.uri, .uriFile) else {
            throw CairnError(
                .usage, "no server named; use --uri, CAIRN_URI, or `uri-file` in the --config file")
        }
        let uri = setting == .uriFile ? try connectionString(in: value, "server") : value.text
        guard uri.hasPrefix("mongodb://") || uri.hasPrefix("mongodb+srv://") else {
            throw CairnError(
                .usage, "not a MongoDB connection string: it must start with mongodb:// or mongodb+srv://",
                object: value.place)
        }
        if case .flag = value.origin, setting == .uri, DeploymentAccess.holdsPassword(uri) {
            warn("the password in --uri is visible to other users of this machine; use CAIRN_URI or uri-file")
        }
        return DeploymentAccess(
            uri: uri,
            readPreference: try choice(.readPreference, of: Configuration.readPreferences),
            serverSelectionTimeoutSeconds: try integer(.serverTimeout, in: 1...3600) ?? 30)
    }

    static let readPreferences = [
        "primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest",
    ]
}
