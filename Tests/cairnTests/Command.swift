import Bytes
import Foundation
import TestSupport
import Testing

/// Runs the real binary, the one that was built beside the tests.
struct Command {
    /// `.build/<configuration>/cairn`: the test runner is in the same folder.
    static let path: String = {
        let runner = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        for folder in [runner.deletingLastPathComponent(), Bundle.main.bundleURL] {
            let candidate = folder.appending(path: "cairn").path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        }
        let named = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: named).deletingLastPathComponent().appending(path: "cairn").path
    }()

    /// Nothing of the developer's own settings may reach the binary; a variable set to nothing counts as not set.
    static let neutral = [
        "CAIRN_REPOSITORY": "", "CAIRN_REPOSITORY_FILE": "", "CAIRN_URI": "", "CAIRN_URI_FILE": "",
        "CAIRN_PASSPHRASE_FILE": "",
        "CAIRN_KEY_FILE": "", "CAIRN_CONFIG": "", "CAIRN_SERVER_TIMEOUT": "", "CAIRN_READ_PREFERENCE": "",
        "CAIRN_BACKUP_LEVEL": "", "CAIRN_BACKUP_READERS": "", "CAIRN_BACKUP_WORKERS": "",
        // What one test reads from a remote store must not lie in the developer's own cache.
        "CAIRN_CACHE_SIZE": "0",
        "CAIRN_BACKUP_SCAN_ORDER": "", "CAIRN_RESTORE_WORKERS": "", "CAIRN_RESTORE_WRITE_CONCERN": "",
        "CAIRN_RETENTION_FULL": "", "CAIRN_RETENTION_INCREMENTAL": "", "CAIRN_SCHEDULE_FULL": "",
        "CAIRN_SCHEDULE_INCREMENTAL": "",
        "CAIRN_ATLAS_PROJECT_ID": "", "CAIRN_ATLAS_CLUSTER": "", "CAIRN_ATLAS_ENDPOINT": "",
        "CAIRN_ATLAS_CLIENT_ID": "", "CAIRN_ATLAS_CLIENT_SECRET": "", "CAIRN_ATLAS_CLIENT_SECRET_FILE": "",
        "CAIRN_ATLAS_PUBLIC_KEY": "", "CAIRN_ATLAS_PRIVATE_KEY": "", "CAIRN_ATLAS_PRIVATE_KEY_FILE": "",
        // A killed process leaves libmongoc's counters in shared memory; one that gets its number later would be
        // told so on standard error before `main`, in the middle of what these tests read.
        "MONGOC_DISABLE_SHM": "1",
    ]

    /// Runs `cairn` with its standard input empty.
    static func run(_ arguments: String..., environment: [String: String] = [:]) throws -> ChildProcess.Outcome {
        try run(arguments, environment: environment)
    }

    /// The same with a list of arguments.
    static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> ChildProcess.Outcome {
        try ChildProcess.run(path, arguments, environment: neutral.merging(environment) { _, given in given })
    }

    /// Starts `cairn` and leaves it running; what it writes to standard error goes to `errorPath`.
    static func start(
        _ arguments: [String], environment: [String: String], errorPath: String, keepsCounters: Bool = false
    ) throws -> ChildProcess {
        var all = neutral.merging(environment) { _, given in given }
        if keepsCounters { all["MONGOC_DISABLE_SHM"] = nil }
        return try ChildProcess(path, arguments, environment: all, outputPath: "/dev/null", errorPath: errorPath)
    }

    /// Runs a shell script in which `$CAIRN` is the binary, and `$0` and so on are the arguments.
    static func shell(
        _ script: String, arguments: [String] = [], environment: [String: String] = [:]
    ) throws -> ChildProcess.Outcome {
        var all = neutral.merging(environment) { _, given in given }
        all["CAIRN"] = path
        return try ChildProcess.run("bash", ["-c", script] + arguments, environment: all)
    }
}

extension ChildProcess.Outcome {
    /// Standard output as JSON.
    func json() throws -> Any {
        try JSONSerialization.jsonObject(with: Data(output), options: .fragmentsAllowed)
    }

    /// Standard output as a JSON object.
    func object() throws -> [String: Any] { try #require(try json() as? [String: Any]) }

    /// Standard output as an array of JSON objects.
    func objects() throws -> [[String: Any]] { try #require(try json() as? [[String: Any]]) }

    /// The last `{"error": …}` line of standard error.
    func error() throws -> [String: Any] {
        let lines = try errorText.split(separator: "\n").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
        return try #require(lines.last { $0?["error"] != nil }??["error"] as? [String: Any])
    }
}
