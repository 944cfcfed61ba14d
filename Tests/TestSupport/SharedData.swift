public import Foundation

/// The folder of real data that some checkouts have beside them: `../shared`, or where `CAIRN_SHARED` points.
///
/// Tests that use it are marked `.enabled(if: SharedData.isPresent, SharedData.absence)`, so that a run without it
/// says so.
public enum SharedData {
    /// The folder, or nil where there is none.
    public static let root: URL? = {
        let beside = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../shared")
            .standardized
        let folder = ProcessInfo.processInfo.environment["CAIRN_SHARED"].map { URL(filePath: $0) } ?? beside
        return FileManager.default.fileExists(atPath: folder.appending(path: "data").path) ? folder : nil
    }()

    /// Whether the folder is there.
    public static var isPresent: Bool { root != nil }

    /// Why a test is skipped.
    public static let absence = "skipped: no ../shared folder beside this checkout, and CAIRN_SHARED is not set"

    /// The files below a folder of the shared data whose names end in `suffix`, sorted.
    public static func files(in folder: String, suffix: String) -> [URL] {
        guard let root else { return [] }
        let names = FileManager.default.enumerator(atPath: root.appending(path: folder).path)?.allObjects as? [String]
        return (names ?? []).filter { $0.hasSuffix(suffix) }.sorted().map {
            root.appending(path: folder).appending(path: $0)
        }
    }

    /// The bytes of one of those files.
    public static func bytes(of file: URL) throws -> [UInt8] { [UInt8](try Data(contentsOf: file)) }
}
