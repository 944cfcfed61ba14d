import Bytes

/// What every AES-GCM seal of chunks, pack directories and sealed objects binds. format-spec.md §5.3.
///
/// ```
/// offset size field
///      0   16 repository id
///     16    1 object kind
///     17    1 structure version
///     18    1 chunk type, 0 when not a chunk
///     19    1 chunk encoding, 0 when not a chunk
///     20    4 key epoch, u32
///     24    8 slot, u64; also the nonce counter
///     32   16 object id (of the pack for chunks)
///     48    8 raw size, u64: of the plaintext before encoding
///     56   32 chunk id, zero when not a chunk
/// ```
struct AssociatedData {
    static let size = 88

    var repository: RandomID
    var kind: ObjectKind
    var type: UInt8 = 0
    var encoding: UInt8 = 0
    var epoch: UInt32
    var slot: UInt64
    var object: RandomID
    var rawCount: Int
    var chunk: ChunkID?

    /// Replaces the content of `buffer` by these 88 bytes.
    func write(to buffer: Buffer) {
        buffer.removeAll()
        repository.append(to: buffer)
        buffer.append(littleEndian: kind.rawValue)
        buffer.append(littleEndian: FormatVersion.structures)
        buffer.append(littleEndian: type)
        buffer.append(littleEndian: encoding)
        buffer.append(littleEndian: epoch)
        buffer.append(littleEndian: slot)
        object.append(to: buffer)
        buffer.append(littleEndian: UInt64(rawCount))
        if let chunk {
            chunk.append(to: buffer)
        } else {
            buffer.append([UInt8](repeating: 0, count: 32))
        }
        precondition(buffer.count == AssociatedData.size)
    }
}

extension AssociatedData {
    /// What the seal of one chunk binds.
    init(chunk entry: PackEntry, of pack: PackIdentity, slot: Int, repository: RandomID) {
        self.init(
            repository: repository, kind: .chunk, type: entry.type.rawValue, encoding: entry.encoding.rawValue,
            epoch: pack.epoch, slot: UInt64(slot), object: pack.id, rawCount: entry.rawCount, chunk: entry.id)
    }

    /// What the seal of a pack's directory binds; its number of chunks through the raw size.
    init(directoryOf pack: PackIdentity, count: Int, repository: RandomID) {
        self.init(
            repository: repository, kind: .packDirectory, epoch: pack.epoch, slot: PackDirectory.slot, object: pack.id,
            rawCount: count * PackEntry.size)
    }
}
