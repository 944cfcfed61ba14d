import Glibc

/// Estimates how small a stream gets, from a sample, without compressing it. One of the module's few files with
/// `unsafe`.
enum Entropy {
    /// Bits a byte under the best code that knows nothing but how frequent each byte is (Shannon, 1948).
    ///
    /// - Parameter byte: gives the byte at each of `count` places.
    @inline(__always)
    static func bits(_ count: Int, _ byte: (Int) -> UInt8) -> Double {
        guard count > 0 else { return 0 }
        return unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 256) { counts in
            unsafe counts.initialize(repeating: 0)
            for place in 0..<count { unsafe counts[Int(byte(place))] &+= 1 }
            return unsafe sum(counts, Double(count))
        }
    }

    @inline(never)
    private static func sum(_ counts: UnsafeMutableBufferPointer<UInt32>, _ total: Double) -> Double {
        var sum = 0.0
        for place in 0..<256 {
            let count = unsafe counts[place]
            if count > 0 { sum += Double(count) * log2(total / Double(count)) }
        }
        return sum / total
    }
}
