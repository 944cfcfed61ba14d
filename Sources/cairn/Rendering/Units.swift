/// Numbers for people. JSON output never uses these.
enum Units {
    /// Bytes in powers of 1024 with three significant digits: `812 B`, `1.21 MiB`, `35.0 GiB`.
    static func bytes(_ count: Int) -> String {
        guard abs(count) >= 1024 else { return "\(count) B" }
        var value = Double(count)
        var unit = -1
        let names = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        // 1023.5 would print as `1024`, so the step up comes a little before the power.
        while abs(value) >= 1023.5 && unit < names.count - 1 {
            value /= 1024
            unit += 1
        }
        return "\(threeDigits(value)) \(names[max(unit, 0)])"
    }

    /// A count with thin groups: `2,500,000`.
    static func count(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var grouped = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0 && (digits.count - index) % 3 == 0 { grouped += "," }
            grouped.append(digit)
        }
        return grouped
    }

    /// A length of time: `0.8 s`, `42 s`, `3 min 05 s`, `2 h 10 min`, `3 d 4 h`.
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0 else { return "-" }
        if seconds < 9.95 { return "\(fixed(seconds, decimals: 1)) s" }
        let whole = Int(min(seconds.rounded(), 1e15))
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(padded(whole % 60)) s" }
        if whole < 86400 { return "\(whole / 3600) h \(padded(whole % 3600 / 60)) min" }
        return "\(whole / 86400) d \(whole % 86400 / 3600) h"
    }

    /// Megabytes (10⁶) a second, one decimal below ten.
    static func rate(_ bytesPerSecond: Double) -> String {
        let megabytes = bytesPerSecond / 1e6
        return "\(fixed(megabytes, decimals: megabytes < 9.95 ? 1 : 0)) MB/s"
    }

    /// `stored` as a share of `raw` in percent; `-` when there is nothing to divide by.
    static func share(_ stored: Int, of raw: Int) -> String {
        raw > 0 ? "\(fixed(Double(stored) / Double(raw) * 100, decimals: 1)) %" : "-"
    }

    private static func threeDigits(_ value: Double) -> String {
        let magnitude = abs(value)
        return fixed(value, decimals: magnitude < 9.995 ? 2 : magnitude < 99.95 ? 1 : 0)
    }

    private static func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

    /// `value` with a fixed number of decimals (`String(format:)` is Foundation's).
    static func fixed(_ value: Double, decimals: Int) -> String {
        var scale = 1
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (abs(value) * Double(scale)).rounded()
        guard scaled < 1e15 else { return "\(value)" }
        let units = Int(scaled)
        let sign = value < 0 && units > 0 ? "-" : ""
        guard decimals > 0 else { return sign + String(units) }
        let fraction = String(units % scale)
        return sign + "\(units / scale)." + String(repeating: "0", count: decimals - fraction.count) + fraction
    }
}
