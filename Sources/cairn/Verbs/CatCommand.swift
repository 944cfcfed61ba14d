internal import ArgumentParser
internal import BSON
internal import Bytes
internal import Mongo
internal import Operations

/// `cairn cat`.
struct CatCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "cat", abstract: "Write the documents of one collection.",
        discussion: """
            One document a line, in canonical extended JSON; with --bson as BSON one behind the other, as bsondump and \
            mongorestore take them.

            Example:
              cairn cat shop.orders --id '{"$oid":"5f0000000000000000000001"}' --at -2d
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var source: SnapshotOption

    @Argument(help: "The namespace, db.collection.")
    var namespace: String

    @Option(help: "Only the document with this _id, in extended JSON: 5, '\"text\"', '{\"$oid\":\"…\"}'.")
    var id: String?

    @Option(help: "At most so many documents.")
    var limit: Int?

    @Flag(help: "BSON instead of JSON.")
    var bson = false

    func validate() throws {
        if let limit, limit < 0 { throw ValidationError("--limit takes a number from 0") }
    }

    func run(_ session: Session) throws -> ExitStatus {
        let identity = try id.map(CatCommand.identity)
        var options = Cat.Options(
            repository: try session.repositoryAccess(), moment: try source.moment(), namespace: namespace)
        options.id = identity
        options.limit = limit
        var output = OutputBuffer()
        _ = try Cat(options: options).run { document in
            if bson {
                try output.append([UInt8](document))
            } else {
                try output.append(Array(try ExtendedJSON.canonical(document).utf8))
                try output.append([UInt8(ascii: "\n")])
            }
        }
        try output.flush()
        return .done
    }

    /// The identity bytes of an `_id` in extended JSON.
    private static func identity(_ json: String) throws -> [UInt8] {
        let value: BSONValue
        do {
            value = try ExtendedJSON.parseValue(json)
        } catch let error as CairnError {
            throw CairnError(.usage, "not a value in extended JSON: \(error.message)", object: "--id")
        }
        let document: BSONDocument = ["_id": value]
        return [UInt8](try DocumentIdentity.idBytes(of: document.bytes.rawSpan))
    }
}

/// Gathers small writes to standard output.
struct OutputBuffer {
    private static let size = 64 << 10

    private var bytes: [UInt8] = []

    /// Adds bytes, and writes when enough have come together.
    mutating func append(_ more: [UInt8]) throws {
        bytes += more
        if bytes.count >= OutputBuffer.size { try flush() }
    }

    /// Writes what is left.
    mutating func flush() throws {
        guard !bytes.isEmpty else { return }
        try Console.shared.writeOutput(bytes)
        bytes.removeAll(keepingCapacity: true)
    }
}
