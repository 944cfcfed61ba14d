import Glibc

/// Memory between two pages that cannot be touched: a load one byte outside ends the test run, where an array would
/// let it pass.
@safe
final class GuardedMemory {
    private let pages: UnsafeMutableRawPointer
    private let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    private let usable: Int

    /// Room for `capacity` bytes.
    init(capacity: Int) {
        usable = (capacity + page - 1) / page * page
        unsafe pages = mmap(nil, usable + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
        precondition(unsafe mprotect(pages + page, usable, PROT_READ | PROT_WRITE) == 0)
    }

    deinit { unsafe munmap(pages, usable + 2 * page) }

    /// Calls `body` with a copy of `bytes` that ends at the forbidden page, then with one that starts behind the other.
    func withCopies(of bytes: [UInt8], _ body: (RawSpan) -> Void) {
        precondition(bytes.count <= usable)
        for offset in [page + usable - bytes.count, page] {
            let start = unsafe pages + offset
            unsafe bytes.withUnsafeBytes { source in
                if let from = source.baseAddress { unsafe start.copyMemory(from: from, byteCount: bytes.count) }
            }
            unsafe body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(start: start, count: bytes.count)))
        }
    }
}
