import Bytes
import Foundation
import TestSupport
import Testing

@testable import Archive

/// The independent reader `Tests/reader/cairn_reader.py`, run by the Python that has Debian's modules.
struct PythonReader {
    private static let python = "/usr/bin/python3"
    private static let script = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../reader/cairn_reader.py").standardized.path

    /// Whether it can run here.
    static let isPresent: Bool = {
        let outcome = try? ChildProcess.run(python, ["-c", "import cryptography, zstandard"])
        return outcome?.exitCode == 0
    }()
    static let absence: Comment = "skipped: /usr/bin/python3 with python3-cryptography and python3-zstandard is missing"

    /// A folder with a repository.
    var repository: String
    /// What opens it.
    var source: KeySource
    /// Where the secret is put for the reader.
    var scratch: TemporaryDirectory

    func run(_ command: [String]) throws -> ChildProcess.Outcome {
        let secretFile = scratch.appending("secret")
        let secret = source.secret
        try Data([UInt8](secret.bytes)).write(to: URL(filePath: secretFile))
        let option = source.method == .passphrase ? "--passphrase-file" : "--key-file"
        return try ChildProcess.run(
            Self.python, ["-B", Self.script, option, secretFile, repository] + command)
    }

    func lines(_ command: [String]) throws -> [String] {
        let outcome = try run(command)
        #expect(outcome.exitCode == 0, "\(outcome.errorText)")
        return outcome.text.split(separator: "\n").map(String.init)
    }
}
