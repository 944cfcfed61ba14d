import Glibc

/// One text file of the checkout.
struct SourceFile {
    /// Relative to the top of the checkout, such as `Sources/Bytes/Buffer.swift`.
    let path: String
    let text: [UInt8]

    /// Lines without their terminators; a last line without one counts.
    var lines: [String] {
        text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// The folder below `Sources` or `Tests`, which is the target's name; empty for files elsewhere.
    var target: String {
        let parts = path.split(separator: "/")
        return parts.count > 2 && (parts[0] == "Sources" || parts[0] == "Tests") ? String(parts[1]) : ""
    }
}

/// The checkout that these tests were compiled from, read without Foundation as the rules it checks ask of others.
enum SourceTree {
    /// Directories that hold what tools make, not what people write. The prefix covers `.build-release` and the like.
    private static let generatedPrefixes = [".build", ".git", ".swiftpm"]

    static let root: String = {
        let here = "\(#filePath)"
        return String(here.dropLast("/Tests/HouseTests/SourceTree.swift".count))
    }()

    /// Names at the top of the checkout, generated ones left out.
    static func topLevelNames() -> [String] {
        entries(of: root).map(\.name).filter { name in
            name == ".gitignore" || !generatedPrefixes.contains { name.hasPrefix($0) }
        }
    }

    /// All files below `folders` whose name ends with one of `suffixes` (an empty list: all), sorted by path.
    static func files(below folders: [String], suffixes: [String] = [".swift"]) -> [SourceFile] {
        var found: [SourceFile] = []
        var pending = folders
        while let path = pending.popLast() {
            let entries = entries(of: root + "/" + path)
            for entry in entries where !generatedPrefixes.contains(where: { entry.name.hasPrefix($0) }) {
                let child = path.isEmpty ? entry.name : path + "/" + entry.name
                if entry.isDirectory {
                    pending.append(child)
                } else if suffixes.isEmpty || suffixes.contains(where: { entry.name.hasSuffix($0) }) {
                    found.append(SourceFile(path: child, text: read(child) ?? []))
                }
            }
        }
        return found.sorted { $0.path < $1.path }
    }

    /// The bytes of one file; nil when it is absent.
    static func read(_ path: String) -> [UInt8]? {
        let descriptor = unsafe open(root + "/" + path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe block.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: block[..<count])
        }
    }

    private static func entries(of path: String) -> [(name: String, isDirectory: Bool)] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var found: [(name: String, isDirectory: Bool)] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." {
                found.append((name, isDirectory: unsafe entry.pointee.d_type == UInt8(DT_DIR)))
            }
        }
        return found
    }
}
