import BSON
internal import Bytes

/// Cold factories of the errors for oplog entries: each names the time, the namespace and the key.
enum OplogFault {
    /// Bytes as text, ill-formed UTF-8 repaired; shortened where an entry holds something long.
    static func text(_ bytes: RawSpan) -> String {
        let most = 300
        let text = String(decoding: [UInt8](bytes.extracting(first: most)), as: UTF8.self)
        return bytes.byteCount > most ? text + "…" : text
    }

    /// Something that this program does not know, so that going on would lose it.
    @inline(never)
    static func unknown(_ what: String, _ time: Timestamp, _ namespace: String) -> CairnError {
        CairnError(
            .unsupportedFormat,
            "the oplog entry at \(time) has \(what), which this version does not know; a newer cairn may: nothing is "
                + "skipped, so stop before that time or take a full backup", object: namespace)
    }

    @inline(never)
    static func missing(_ name: String, _ time: Timestamp) -> CairnError {
        CairnError(.corrupt, "the oplog entry at \(time) has no field \"\(name)\"")
    }

    @inline(never)
    static func malformed(_ name: String, _ time: Timestamp?) -> CairnError {
        let place = time.map { "the oplog entry at \($0)" } ?? "an oplog entry"
        return CairnError(.corrupt, "\(place) has a field \"\(name)\" of the wrong type")
    }

    /// A history that does not fit to what it starts from, or is not complete.
    @inline(never)
    static func misfit(_ what: String, _ time: Timestamp, _ namespace: String) -> CairnError {
        CairnError(.corrupt, "\(what) at \(time): the oplog does not fit to the state before it", object: namespace)
    }
}
