internal import Bytes
internal import Operations

/// What a setting's value may be. The file's check, its JSON Schema and its example all go by it.
enum SettingSyntax {
    /// Any text.
    case text
    /// A connection string of a server.
    case serverURI
    /// The path of a file or folder, or a store's location.
    case path
    /// A list of texts.
    case texts
    /// One of these words.
    case words([String])
    /// A whole number.
    case integer(ClosedRange<Int>)
    /// A zstd level.
    case level
    /// Bytes with a unit.
    case size
    /// A length of time with a unit.
    case duration
    /// A length of time as retention has them; with the word, if any, that means for ever.
    case retention(never: String?)
    /// A list of TAG=LENGTH.
    case tagRules
    /// When something happens again and again.
    case recurrence

    /// Refuses a text that is not one.
    ///
    /// - Throws: `.usage` naming `place`.
    func check(_ text: String, place: String) throws {
        switch self {
        case .text, .path, .texts: return
        case .serverURI:
            guard !text.hasPrefix("mongodb://"), !text.hasPrefix("mongodb+srv://") else { return }
            throw CairnError(
                .usage, "not a MongoDB connection string: it must start with mongodb:// or mongodb+srv://",
                object: place)
        case .words(let words):
            guard !words.contains(text) else { return }
            let near = Suggestion.nearest(to: text, among: words).map { "; did you mean `\($0)`?" } ?? ""
            throw CairnError(
                .usage, "`\(text)` is not one of \(words.joined(separator: ", "))\(near)", object: place)
        case .integer(let range):
            guard let number = Int(text), range.contains(number) else {
                let bounds =
                    range.upperBound == .max
                    ? "from \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
                throw CairnError(.usage, "`\(text)` is not a number \(bounds)", object: place)
            }
        case .level: _ = try Configuration.level(text, place: place)
        case .size: _ = try Quantity.bytes(text, place: place)
        case .duration: _ = try Quantity.seconds(text, place: place)
        case .retention(let never):
            if text != never { _ = try SettingSyntax.placed(place) { try RetentionPolicy.seconds(text) } }
        case .tagRules: _ = try SettingSyntax.tagRule(text, place: place)
        case .recurrence: _ = try SettingSyntax.placed(place) { try Recurrence(text) }
        }
    }

    /// `manual=90d` as the tag and its seconds.
    static func tagRule(_ text: String, place: String) throws -> (tag: String, seconds: Int) {
        guard let equals = text.lastIndex(of: "="), equals != text.startIndex else {
            throw CairnError(.usage, "`\(text)` is not TAG=LENGTH, such as manual=90d", object: place)
        }
        let seconds = try placed(place) { try RetentionPolicy.seconds(String(text[text.index(after: equals)...])) }
        return (String(text[..<equals]), seconds)
    }

    /// Names the place in an error that does not know it.
    static func placed<Result>(_ place: String, _ parse: () throws -> Result) throws -> Result {
        do {
            return try parse()
        } catch let error as CairnError {
            throw CairnError(error.code, error.message, object: place, underlying: error.underlying)
        }
    }

    /// What is allowed, for people; nil where nothing needs to be said.
    var words: String? {
        switch self {
        case .text, .serverURI, .path: nil
        case .texts: "A list."
        case .words(let words): "One of \(words.joined(separator: ", "))."
        case .integer(let range):
            range.upperBound == .max
                ? "A number from \(range.lowerBound)." : "A number from \(range.lowerBound) to \(range.upperBound)."
        case .level: "1 to 19, or fast (1), default (3), max (19)."
        case .size: "Bytes, or with KiB, MiB, GiB, TiB."
        case .duration: "A number and s, m, h, d or w."
        case .retention(let never): "A number and h, d, w or y" + (never.map { ", or \($0)." } ?? ".")
        case .tagRules: "A list of TAG=LENGTH."
        case .recurrence:
            "UTC: never, hourly, every 15m, every 6h, daily 02:00, weekly sunday 02:00, monthly 1 02:00."
        }
    }
}

/// What a setting is, for people and for programs that help them.
struct SettingDescription {
    /// A sentence or two: the effect, and the unit.
    let note: String
    let syntax: SettingSyntax
    /// What holds when it is not set; nil where there is nothing to say.
    let byDefault: String?
    /// A value, as YAML.
    let example: String

    init(_ note: String, _ syntax: SettingSyntax, byDefault: String? = nil, example: String) {
        self.note = note
        self.syntax = syntax
        self.byDefault = byDefault
        self.example = example
    }
}
