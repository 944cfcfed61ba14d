public import Bytes

/// All keys of an unlocked repository. format-spec.md §5.1 [K-1].
///
/// One random master key an epoch, from each of which HKDF-SHA-256 (salt: the repository id, info: a label) makes
/// the keys of one purpose. Writers seal under the newest epoch; what is older stays readable.
///
/// The id, chunker and verification keys always come from epoch 0. Were chunk ids to change with the epoch, the
/// first backup after a rotation would store everything again, and nothing would be won: ids and boundaries stand
/// only inside sealed structures, so who lacks the newer keys never sees them. format-spec.md §5.4 [K-2].
public final class KeyRing: Sendable {
    /// Purposes, and the labels from which their keys are derived.
    enum Label: String, CaseIterable {
        case id = "cairn/1 id"
        case pack = "cairn/1 pack"
        case metadata = "cairn/1 metadata"
        case audit = "cairn/1 audit"
        case chunker = "cairn/1 chunker"
        case verification = "cairn/1 verification"

        /// Length of the derived key, in bytes; the chunker's is a SipHash key.
        var size: Int { self == .chunker ? 16 : 32 }
    }

    private struct Epoch: Sendable {
        let pack: SecretBytes
        let metadata: SecretBytes
        let audit: SecretBytes
    }

    /// The repository that the keys belong to.
    public let repository: RandomID
    /// Names chunks (32 bytes).
    public let idKey: SecretBytes
    /// Decides where chunks are cut (16 bytes, for SipHash).
    public let chunkerKey: SecretBytes
    /// Authenticates `config` and the key objects (32 bytes).
    public let verificationKey: SecretBytes
    /// The epoch under which writers seal.
    public let currentEpoch: UInt32

    /// The master keys by epoch: what a key object wraps.
    let masters: [SecretBytes]
    private let epochs: [Epoch]

    /// Derives everything from the master keys of `repository`, epoch 0 first.
    init(masters: [SecretBytes], repository: RandomID) {
        precondition(!masters.isEmpty && masters.count <= FormatLimits.epochsMax)
        func derive(_ label: Label, _ master: SecretBytes) -> SecretBytes {
            KeyDerivation.hkdf(key: master, salt: repository.bytes, info: label.rawValue, count: label.size)
        }
        self.repository = repository
        self.masters = masters
        currentEpoch = UInt32(masters.count - 1)
        idKey = derive(.id, masters[0])
        chunkerKey = derive(.chunker, masters[0])
        verificationKey = derive(.verification, masters[0])
        epochs = masters.map {
            Epoch(pack: derive(.pack, $0), metadata: derive(.metadata, $0), audit: derive(.audit, $0))
        }
    }

    /// The key of one pack: HKDF(pack key of the epoch, salt of the pack). format-spec.md §5.2 [K-3].
    func packKey(epoch: UInt32, salt: [UInt8], object: String) throws -> SecretBytes {
        objectKey(try keys(of: epoch, object: object).pack, salt: salt)
    }

    /// The key of one sealed object; audit records have a key of their own, so that they can be shown without
    /// the keys of everything else. format-spec.md §5.2 [K-4].
    func sealedKey(kind: ObjectKind, epoch: UInt32, salt: [UInt8], object: String) throws -> SecretBytes {
        let keys = try keys(of: epoch, object: object)
        return objectKey(kind == .audit ? keys.audit : keys.metadata, salt: salt)
    }

    private func keys(of epoch: UInt32, object: String) throws -> Epoch {
        guard epoch < epochs.count else {
            throw CairnError(
                .corrupt,
                "sealed under key epoch \(epoch), but the keys end at \(currentEpoch): it is damaged, or "
                    + "`cairn key rotate` was interrupted before it came to the key in use; run it again with one that "
                    + "it was given",
                object: object)
        }
        return epochs[Int(epoch)]
    }

    private func objectKey(_ key: SecretBytes, salt: [UInt8]) -> SecretBytes {
        KeyDerivation.hkdf(key: key, salt: salt, info: "cairn/1 object", count: 32)
    }
}

/// What opens a repository, or will.
public enum KeySource: Sendable {
    /// A passphrase, stretched by scrypt.
    case passphrase(SecretBytes)
    /// The 32 random bytes of a key file.
    case keyFile(SecretBytes)

    /// The method byte of key objects that such a source makes and opens.
    var method: KeyObject.Method {
        switch self {
        case .passphrase: .passphrase
        case .keyFile: .keyFile
        }
    }

    /// The bytes themselves.
    var secret: SecretBytes {
        switch self {
        case .passphrase(let secret), .keyFile(let secret): secret
        }
    }
}
