import CAllocations
import Glibc

/// Wall time and CPU time of a piece of work, over all threads of the process.
struct Measurement {
    /// Seconds by the clock on the wall.
    var wall: Double
    /// Seconds of user and system time.
    var cpu: Double
    /// Calls of the allocator.
    var allocations: Int

    /// Measures `body`.
    static func of(_ body: () throws -> Void) rethrows -> Measurement {
        let cpuBefore = cpuSeconds()
        let allocationsBefore = cairn_allocations()
        let start = ContinuousClock.now
        try body()
        let elapsed = (ContinuousClock.now - start).components
        return Measurement(
            wall: Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18, cpu: cpuSeconds() - cpuBefore,
            allocations: cairn_allocations() - allocationsBefore)
    }

    /// The best of several runs: on a shared machine the least disturbed one.
    static func best(of runs: Int, _ body: () throws -> Void) rethrows -> Measurement {
        var best = try of(body)
        for _ in 1..<max(1, runs) {
            let next = try of(body)
            if next.cpu < best.cpu { best = next }
        }
        return best
    }

    private static func cpuSeconds() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

/// Peak memory of the process so far, in MiB.
func peakMemoryMiB() -> Double {
    var usage = rusage()
    unsafe getrusage(RUSAGE_SELF.rawValue, &usage)
    return Double(usage.ru_maxrss) / 1024
}

/// A number right-aligned in a column.
func column(_ value: Double, _ width: Int, digits: Int = 0) -> String {
    let scale = digits == 0 ? 1.0 : digits == 1 ? 10.0 : 100.0
    let rounded = Int((value * scale).rounded())
    var text = String(rounded / Int(scale))
    if digits > 0 {
        let fraction = String(rounded % Int(scale))
        text += "." + String(repeating: "0", count: digits - fraction.utf8.count) + fraction
    }
    return String(repeating: " ", count: max(0, width - text.utf8.count)) + text
}

/// Text left-aligned in a column.
func column(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}
