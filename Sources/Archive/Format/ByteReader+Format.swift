import Bytes

/// Reads that several on-disk structures share.
extension ByteReader {
    mutating func readArray(_ count: Int) throws -> [UInt8] { [UInt8](try bytes(count)) }

    mutating func readID() throws -> RandomID { RandomID(try bytes(RandomID.byteCount)) }

    mutating func readDigest() throws -> Digest256 { Digest256(try bytes(Digest256.byteCount)) }

    /// Reserved bytes are rejected when not zero, so that a later version may give them a meaning that must not
    /// be overlooked. format-spec.md §3.2 [N-3].
    mutating func expectZero(_ count: Int, _ what: String) throws {
        let start = offset
        for byte in try readArray(count) where byte != 0 {
            throw CairnError(.corrupt, "\(what) are not zero", object: object, offset: start)
        }
    }

    /// format-spec.md §10.1 [V-2].
    mutating func expectStructureVersion() throws {
        let start = offset
        let version = try integer(as: UInt8.self)
        guard version == FormatVersion.structures else {
            throw CairnError(
                .unsupportedFormat,
                "structure version \(version) is not known to this program, which knows \(FormatVersion.structures); "
                    + "use a newer one", object: object, offset: start)
        }
    }
}

extension RandomID {
    func append(to buffer: Buffer) { buffer.append(bytes) }
}
