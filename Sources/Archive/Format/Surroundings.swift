import Bytes
import Glibc

/// Where randomness and time come from. The real ones outside of tests; the seeded writer of the test vectors
/// injects its own, so that its repositories come out byte for byte the same.
struct Surroundings: Sendable {
    /// As many fresh random bytes.
    var random: @Sendable (Int) -> [UInt8]
    /// Milliseconds since 1970-01-01 UTC.
    var now: @Sendable () -> Int64

    static let system = Surroundings(
        random: { SecureRandom.bytes($0) },
        now: {
            var time = timespec()
            unsafe clock_gettime(CLOCK_REALTIME, &time)
            return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        })

    /// CPU time that the calling thread has used so far, in nanoseconds. A system call of some 200 ns.
    static func threadNanoseconds() -> Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    func randomID() -> RandomID {
        let bytes = random(RandomID.byteCount)
        return RandomID(bytes.rawSpan)
    }

    func randomDigest() -> Digest256 {
        let bytes = random(Digest256.byteCount)
        return Digest256(bytes.rawSpan)
    }
}
