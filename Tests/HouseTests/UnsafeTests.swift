import Testing

/// Memory safety is the compiler's business everywhere but in the files listed here, which a reviewer reads with care.
@Suite struct UnsafeTests {
    private struct Exception {
        let path: String
        let reason: String
    }

    /// A path ending in `/` stands for a folder.
    private static let exceptions = [
        Exception(path: "Sources/Archive/Format/Surroundings.swift", reason: "clock_gettime"),
        Exception(
            path: "Sources/BSON/BSONWalk.swift", reason: "the validator's loop: unchecked loads, bounds argued there"),
        Exception(path: "Sources/BSON/RawSpan+Text.swift", reason: "text from and to borrowed bytes"),
        Exception(path: "Sources/Bytes/AESGCM.swift", reason: "EVP context of libcrypto"),
        Exception(path: "Sources/Bytes/BoundedQueue.swift", reason: "shared between threads; its mutex is the proof"),
        Exception(path: "Sources/Bytes/Buffer.swift", reason: "the owned memory that everything else is built on"),
        Exception(path: "Sources/Bytes/BufferPool.swift", reason: "shared between threads; its mutex is the proof"),
        Exception(path: "Sources/Bytes/ByteReader.swift", reason: "unaligned loads behind one bounds check"),
        Exception(path: "Sources/Bytes/Digest256.swift", reason: "unaligned loads of a fixed size"),
        Exception(path: "Sources/Bytes/HMACSHA256.swift", reason: "EVP context of libcrypto"),
        Exception(path: "Sources/Bytes/KeyDerivation.swift", reason: "HKDF and scrypt of libcrypto"),
        Exception(path: "Sources/Bytes/OpenSSL.swift", reason: "what all callers of libcrypto share"),
        Exception(path: "Sources/Bytes/OwnedThread.swift", reason: "pthread"),
        Exception(path: "Sources/Bytes/RandomID.swift", reason: "unaligned loads of a fixed size"),
        Exception(path: "Sources/Bytes/SHA256.swift", reason: "digest of libcrypto"),
        Exception(path: "Sources/Bytes/SecretBytes.swift", reason: "memory that is zeroised before it is freed"),
        Exception(path: "Sources/Bytes/SecureRandom.swift", reason: "getrandom"),
        Exception(path: "Sources/Bytes/SipHash.swift", reason: "unaligned loads in the innermost loop"),
        Exception(path: "Sources/Bytes/SpanComparison.swift", reason: "memcmp"),
        Exception(path: "Sources/Bytes/Spans.swift", reason: "unaligned loads behind one bounds check"),
        Exception(path: "Sources/Bytes/StopSignal.swift", reason: "pthread mutex and timed condition"),
        Exception(path: "Sources/Bytes/Synchronization+Condition.swift", reason: "pthread mutex and condition"),
        Exception(path: "Sources/Bytes/Zstd.swift", reason: "contexts of libzstd"),
        Exception(path: "Sources/Columns/Buffer+Columns.swift", reason: "writing every n-th byte of a buffer"),
        Exception(path: "Sources/Columns/Codecs/Entropy.swift", reason: "a histogram on the stack"),
        Exception(path: "Sources/Columns/Codecs/IntegerCodec.swift", reason: "loops over all values of a column"),
        Exception(path: "Sources/Columns/Codecs/TokenBounds.swift", reason: "the loop that cuts text into words"),
        Exception(path: "Sources/Columns/Codecs/Vocabulary.swift", reason: "the table that counts words"),
        Exception(path: "Sources/Columns/Codecs/WordCodec.swift", reason: "memory for the joiner of words"),
        Exception(path: "Sources/Columns/Codecs/WordJoiner.swift", reason: "copies of 16 bytes, slack argued there"),
        Exception(
            path: "Sources/Columns/Structure/", reason: "the loops that take documents apart and put them together"),
        Exception(path: "Sources/Mongo/ConnectionPool.swift", reason: "handles of libmongoc"),
        Exception(path: "Sources/Mongo/ExtendedJSON.swift", reason: "libbson turns documents into text and back"),
        Exception(path: "Sources/Mongo/LibMongoC.swift", reason: "what all callers of libmongoc share"),
        Exception(path: "Sources/Mongo/MongoClient.swift", reason: "handles of libmongoc"),
        Exception(path: "Sources/Mongo/MongoURI.swift", reason: "handles of libmongoc"),
        Exception(path: "Sources/ObjectStore/LinuxFileSystem.swift", reason: "the system calls of the local store"),
        Exception(path: "Sources/Bytes/MD5.swift", reason: "digest of libcrypto"),
        Exception(path: "Sources/Remote/HTTP/CurlHandle.swift", reason: "handles and callbacks of libcurl"),
        Exception(path: "Sources/Remote/HTTP/HTTPDate.swift", reason: "gmtime_r, strftime, curl_getdate"),
        Exception(path: "Sources/Remote/HTTP/TransferError.swift", reason: "libcurl's constant texts"),
        Exception(path: "Sources/cairn/Terminal/System.swift", reason: "the system calls of the command line"),
        Exception(path: "Tests/BSONTests/GuardedMemory.swift", reason: "mmap of pages that must not be touched"),
        Exception(path: "Tests/HouseTests/SourceTree.swift", reason: "directory walk through the C library"),
        Exception(path: "Tests/TestSupport/BenchData/BenchLoader.swift", reason: "clock_gettime"),
        Exception(path: "Tests/TestSupport/BenchData/DocumentFile.swift", reason: "files through the C library"),
        Exception(path: "benchmarks/Sources/columns/Main.swift", reason: "the thread's CPU clock"),
        Exception(path: "benchmarks/Sources/pipeline/Measurement.swift", reason: "clocks and counters of the kernel"),
        Exception(path: "benchmarks/Sources/snapshots/Main.swift", reason: "reads a key file without Foundation"),
        Exception(path: "Tests/TestSupport/Server/", reason: "processes and sockets through the C library"),
        Exception(path: "Tests/TestSupport/TemporaryDirectory.swift", reason: "directory walk through the C library"),
    ]

    @Test func unsafeCodeStaysInTheListedFiles() {
        for file in SourceTree.files(below: ["Sources", "Tests", "benchmarks"]) {
            let uses = Self.uses(in: file)
            guard !uses.isEmpty, !Self.exceptions.contains(where: { Self.covers($0.path, file.path) }) else { continue }
            Issue.record(
                """
                \(file.path), lines \(uses.map { String($0.line) }.joined(separator: ", ")): unsafe code outside the \
                listed files: move it to one of them, or list this file with its reason in UnsafeTests.swift
                """)
        }
    }

    @Test func theListHasNoStaleEntries() {
        let files = SourceTree.files(below: ["Sources", "Tests", "benchmarks"])
        for exception in Self.exceptions {
            let matching = files.filter { Self.covers(exception.path, $0.path) }
            #expect(
                matching.contains { !Self.uses(in: $0).isEmpty },
                "\(exception.path) (\(exception.reason)) has nothing unsafe any more: strike it off the list")
        }
    }

    private static func covers(_ listed: String, _ path: String) -> Bool {
        listed.hasSuffix("/") ? path.hasPrefix(listed) : path == listed
    }

    private static func uses(in file: SourceFile) -> [Token] {
        let marks: Set<String> = ["unsafe", "@unsafe", "@unchecked"]
        return SwiftLexer.tokens(of: file.text).filter { marks.contains($0.text) }
    }
}
