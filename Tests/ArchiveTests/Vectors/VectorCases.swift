import BSON
import Bytes
import ObjectStore

@testable import Archive

/// One folder of `Tests/Vectors` and what a reader has to say about it.
struct VectorCase: Sendable {
    enum Expectation: String, Sendable {
        case success
        case noRepository = "no repository"
        case wrongKey = "wrong key"
        case damage
        case unsupported

        /// The exit code of `cairn` and of the reader in Python.
        var exitCode: Int {
            switch self {
            case .success: 0
            case .noRepository: 10
            case .wrongKey: 12
            case .damage: 13
            case .unsupported: 2
            }
        }

        var errorCode: CairnError.Code? {
            switch self {
            case .success: nil
            case .noRepository: .noRepository
            case .wrongKey: .wrongKey
            case .damage: .corrupt
            case .unsupported: .unsupportedFormat
            }
        }
    }

    var folder: String
    var key: String
    var expectation: Expectation
    var text: String

    var line: String { "\(folder) : \(key) : expect: \(expectation.rawValue) : \(text)" }

    init?(line: Substring) {
        let parts = line.split(separator: " : ").map(String.init)
        guard parts.count == 4, let expectation = Expectation(rawValue: String(parts[2].dropFirst("expect: ".count)))
        else { return nil }
        self.init(folder: parts[0], key: parts[1], expectation: expectation, text: parts[3])
    }

    init(folder: String, key: String = standardKey, expectation: Expectation, text: String) {
        self.folder = folder
        self.key = key
        self.expectation = expectation
        self.text = text
    }

    static let standardKey = "passphrase \"\(GoldenRepository.passphrase)\""
    static let fileKey = "keyfile \(Hex.encode(GoldenRepository.keyFile))"

    var source: KeySource? {
        if key.hasPrefix("passphrase \""), key.hasSuffix("\"") {
            return .passphrase(String(key.dropFirst("passphrase \"".count).dropLast()))
        }
        guard key.hasPrefix("keyfile "), let bytes = Hex.decode(key.dropFirst("keyfile ".count)) else { return nil }
        return .keyFile(SecretBytes(copying: bytes.rawSpan))
    }
}

/// A case and how its repository is made.
struct VectorRecipe {
    typealias Make = () throws -> MemoryStore

    var cases: [VectorCase]
    var make: Make

    init(
        _ folder: String, _ expectation: VectorCase.Expectation, _ text: String, key: String = VectorCase.standardKey,
        make: @escaping Make
    ) {
        cases = [VectorCase(folder: folder, key: key, expectation: expectation, text: text)]
        self.make = make
    }

    /// A defect that somebody without keys can make.
    init(
        _ folder: String, _ expectation: VectorCase.Expectation, _ text: String,
        change: @escaping (MemoryStore, GoldenRepository) throws -> Void
    ) {
        self.init(folder, expectation, text) {
            let golden = try GoldenRepository()
            try change(golden.store, golden)
            return golden.store
        }
    }

    /// A defect that only a holder of the keys can make.
    init(
        _ folder: String, _ expectation: VectorCase.Expectation, _ text: String,
        hooks: @escaping (inout GoldenRepository.Hooks) -> Void
    ) {
        self.init(folder, expectation, text) {
            var changed = GoldenRepository.Hooks()
            hooks(&changed)
            return try GoldenRepository(changed).store
        }
    }
}

extension BSONDocument {
    /// The same with one field replaced, or, when `value` is nil, without it.
    func with(_ name: String, _ value: BSONValue?) -> BSONDocument {
        var fields = self.fields.filter { $0.name != name || value != nil }.map { field in
            (field.name, field.name == name ? value ?? .null : field.value)
        }
        if let value, !contains(name) { fields.append((name, value)) }
        return BSONDocument(fields)
    }
}
