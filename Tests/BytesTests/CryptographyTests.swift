import Bytes
import Testing

private func bytes(_ hex: String) -> [UInt8] { Hex.decode(hex)! }
private func secret(_ hex: String) -> SecretBytes { SecretBytes(copying: bytes(hex).rawSpan) }

/// Published vectors: a codec that agrees with itself alone proves nothing.
@Suite struct CryptographyTests {
    @Test func sha256OfAbc() {
        let digest = SHA256.hash(Array("abc".utf8).rawSpan)
        #expect(digest.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let copy = Digest256(digest.bytes.rawSpan)
        #expect(copy == digest)
        #expect(Digest256(hex: digest.hex) == digest)
    }

    /// RFC 4231, test case 2, whole and with its first byte given as the prefix; the context must be reusable.
    @Test func hmacOfRFC4231() {
        let mac = HMACSHA256(key: SecretBytes(copying: Array("Jefe".utf8).rawSpan))
        let message = Array("what do ya want for nothing?".utf8)
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        let whole = mac.authenticate(message.rawSpan)
        let prefixed = mac.authenticate(prefix: message[0], Array(message[1...]).rawSpan)
        let again = mac.authenticate(message.rawSpan)
        #expect(whole.hex == expected && prefixed == whole && again == whole)
    }

    /// RFC 5869, test case 1.
    @Test func hkdfOfRFC5869() {
        let key = KeyDerivation.hkdf(
            key: secret(String(repeating: "0b", count: 22)), salt: bytes("000102030405060708090a0b0c"),
            info: bytes("f0f1f2f3f4f5f6f7f8f9"), count: 42)
        let text = Hex.encode(key.bytes)
        #expect(
            text
                == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    }

    /// RFC 7914, section 12, the second and third vectors.
    @Test func scryptOfRFC7914() throws {
        let key = try KeyDerivation.scrypt(
            passphrase: SecretBytes(copying: Array("password".utf8).rawSpan), salt: Array("NaCl".utf8), n: 1024, r: 8,
            p: 16, count: 64)
        let text = Hex.encode(key.bytes)
        #expect(
            text
                == "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640")
    }

    @Test func scryptRefusesInvalidParameters() {
        #expect(throws: CairnError.self) {
            try KeyDerivation.scrypt(passphrase: .random(8), salt: [1], n: 1000, r: 8, p: 1)
        }
    }

    /// The GCM specification's test case 16 key, with the nonce that a counter of 1 makes; cross-checked with
    /// Python's `cryptography`.
    @Test func gcmRoundTripInPlaceAndRefusal() {
        let gcm = AESGCM()
        gcm.setKey(secret("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))
        let buffer = Buffer(copying: Array("header".utf8) + Array("the quick brown fox".utf8))
        let aad = Array("bound".utf8)
        gcm.seal(buffer, from: 6, nonce: 1, aad: aad.rawSpan)
        #expect(buffer.count == 6 + 19 + 16)
        #expect(Hex.encode(Array(buffer.array[6...])) == GCMVector.sealed)
        let sealed = buffer.array
        let opened = gcm.open(buffer, from: 6, nonce: 1, aad: aad.rawSpan)
        #expect(opened)
        #expect(String(decoding: buffer.array, as: UTF8.self) == "headerthe quick brown fox")

        for bit in 0..<(sealed.count - 6) * 8 {
            var damaged = sealed
            damaged[6 + bit / 8] ^= 1 << (bit % 8)
            let copy = Buffer(copying: damaged)
            let accepted = gcm.open(copy, from: 6, nonce: 1, aad: aad.rawSpan)
            #expect(!accepted && copy.count == 6, "unauthenticated plaintext must not stay readable")
        }
        let otherNonce = gcm.open(Buffer(copying: sealed), from: 6, nonce: 2, aad: aad.rawSpan)
        let otherAAD = gcm.open(Buffer(copying: sealed), from: 6, nonce: 1, aad: Array("other".utf8).rawSpan)
        let tooShort = gcm.open(Buffer(copying: [1, 2, 3]), from: 0, nonce: 1, aad: aad.rawSpan)
        #expect(!otherNonce && !otherAAD && !tooShort)
    }

    /// The reference implementation's vectors: key 00…0f, input 00, 01, 02 … of growing length.
    @Test func sipHashReferenceVectors() {
        let hash = SipHash(key: SecretBytes(copying: Array(0..<16).rawSpan))
        let expected64: [Int: UInt64] = [
            0: 0x726f_db47_dd0e_0e31, 1: 0x74f8_39c5_93dc_67fd, 8: 0x93f5_f579_9a93_2462, 15: 0xa129_ca61_49be_45e5,
        ]
        for (count, value) in expected64 {
            let found = hash.hash64([UInt8](0..<UInt8(count)).rawSpan)
            #expect(found == value)
        }
        // First entry of vectors_sip128: a3817f04ba25a8e66df67214c7550293.
        let (low, high) = hash.hash128([UInt8]().rawSpan)
        #expect(low == 0xe6a8_25ba_047f_81a3 && high == 0x9302_55c7_1472_f66d)
    }
}

/// `AESGCM(key).encrypt((1).to_bytes(12, "big"), b"the quick brown fox", b"bound")` of Python's `cryptography`.
private enum GCMVector {
    static let sealed = "7b0ec563a00c973607820bae017ac0361177a0f57619bf48f686eaa4872f9251d341fd"
}
