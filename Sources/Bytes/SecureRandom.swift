import CLinux
import Glibc

/// The operating system's randomness (`getrandom(2)`): the same source that seeds everything else, and safe across
/// `fork`.
public enum SecureRandom {
    /// `count` fresh bytes.
    public static func bytes(_ count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            unsafe fill(UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }

    @unsafe
    static func fill(_ memory: UnsafeMutableRawBufferPointer) {
        var done = 0
        while done < memory.count {
            let read = unsafe getrandom(memory.baseAddress! + done, memory.count - done, 0)
            // Without flags and with a kernel that is up, getrandom fails only by EINTR; anything else leaves no safe
            // way on.
            if read < 0 { precondition(errno == EINTR, "getrandom failed: errno \(errno)") } else { done += read }
        }
    }
}
