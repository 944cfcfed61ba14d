public import BSON
import Bytes
import Glibc

/// The least that speaks to a mongod: one socket, OP_MSG, one command at a time.
///
/// It starts replica sets (which no driver connects to before they have a configuration), and is a witness beside the
/// client that is under test.
public final class WireClient {
    private let descriptor: Int32
    private var requests: UInt32 = 0
    private static let opMsg: UInt32 = 2013
    /// Message header, flags, and the kind of the one section that a reply has.
    private static let replyHeaderByteCount = 16 + 4 + 1
    private static let replyBytesMax = 48_000_000

    /// Connects to a loopback port.
    ///
    /// - Throws: `.unreachable` when nothing listens there.
    public init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let result = unsafe withUnsafeBytes(of: &address) { raw in
            unsafe connect(
                descriptor, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
        }
        // The socket is closed by deinit, which also runs when an initialiser throws after it has set every property.
        guard result == 0 else { throw CairnError(.unreachable, "nothing listens on 127.0.0.1:\(port)") }
    }

    /// Connects to the loopback port that a URI names.
    ///
    /// - Throws: `.usage` for another kind of URI, `.unreachable` when nothing listens there.
    public convenience init(uri: String) throws {
        let prefix = "mongodb://127.0.0.1:"
        guard uri.hasPrefix(prefix), let port = Int(uri.dropFirst(prefix.count).prefix { $0.isNumber }) else {
            throw CairnError(.usage, "this client speaks to \(prefix)PORT only")
        }
        try self.init(port: port)
    }

    deinit { close(descriptor) }

    /// Sends one command and returns the reply, an error reply of the server included.
    ///
    /// - Parameter documents: whole documents, one behind the other, as the command's `documents` field.
    /// - Throws: `.unreachable` when the connection ends.
    public func exchange(_ command: BSONDocument, db: String, documents: [UInt8] = []) throws -> BSONDocument {
        try BSONDocument(validating: exchangeBytes(command, db: db, documents: documents))
    }

    /// `exchange`, with the reply's bytes unread.
    func exchangeBytes(_ command: BSONDocument, db: String, documents: [UInt8] = []) throws -> [UInt8] {
        let body = BSONDocument(command.pairs + [("$db", .string(db))]).bytes
        var sequence: [UInt8] = []
        if !documents.isEmpty {
            let name = Array("documents".utf8) + [0]
            sequence = [1] + Self.word(UInt32(4 + name.count + documents.count)) + name
        }
        requests += 1
        let length = 16 + 4 + 1 + body.count + sequence.count + documents.count
        var message = Self.word(UInt32(length)) + Self.word(requests) + Self.word(0) + Self.word(Self.opMsg)
        message += Self.word(0) + [0] + body + sequence
        try sendAll(message)
        try sendAll(documents)
        return try receiveReply()
    }

    /// Sends one command that must succeed.
    ///
    /// - Throws: `.server` with the reply when it does not, `.unreachable` when the connection ends.
    @discardableResult
    public func run(_ command: BSONDocument, db: String) throws -> BSONDocument {
        let reply = try exchange(command, db: db)
        try check(reply, command, db: db)
        return reply
    }

    /// Inserts whole documents that stand one behind the other, at most 48 MB and 100,000 of them.
    ///
    /// - Throws: `.server` when a document is refused, `.unreachable` when the connection ends.
    public func insert(sequence: [UInt8], db: String, collection: String) throws {
        let command: BSONDocument = [
            "insert": .string(collection), "ordered": true, "bypassDocumentValidation": true,
        ]
        let reply = try exchange(command, db: db, documents: sequence)
        try check(reply, command, db: db)
    }

    private func receiveReply() throws -> [UInt8] {
        let length = try receive(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length > Self.replyHeaderByteCount && length < Self.replyBytesMax else {
            throw CairnError(.unreachable, "a reply of \(length) bytes")
        }
        _ = try receive(Self.replyHeaderByteCount - 4)
        return try receive(length - Self.replyHeaderByteCount)
    }

    private func check(_ reply: BSONDocument, _ command: BSONDocument, db: String) throws {
        let ok = try reply.optional("ok", as: Double.self, in: "reply")
        if ok == 1 && !reply.contains("writeErrors") { return }
        let message = try reply.optional("errmsg", as: String.self, in: "reply")
        let detail = message ?? reply["writeErrors"].map { "\($0)" } ?? ""
        let target = command.fields.first.map { "\($0.name) \($0.value)" } ?? ""
        throw CairnError(.server, "\(target) failed on \(db): \(detail)")
    }

    private static func word(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }

    private func sendAll(_ bytes: [UInt8]) throws {
        var offset = 0
        while offset < bytes.count {
            let count = unsafe bytes[offset...].withUnsafeBytes {
                unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw CairnError(.unreachable, "the server closed the connection") }
            offset += count
        }
    }

    private func receive(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var offset = 0
        while offset < count {
            let got = unsafe bytes[offset...].withUnsafeMutableBytes {
                unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
            }
            guard got > 0 else { throw CairnError(.unreachable, "the server closed the connection") }
            offset += got
        }
        return bytes
    }
}
