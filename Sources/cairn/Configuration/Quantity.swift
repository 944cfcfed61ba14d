internal import Bytes

/// Lengths of time and sizes with a unit, as people write them.
enum Quantity {
    /// Whole seconds: `90`, `90s`, `15m`, `2h`, `30d`, `8w`.
    ///
    /// - Throws: `.usage` naming `place`.
    static func seconds(_ text: String, place: String) throws -> Int {
        let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800), ("", 1)]
        guard let value = scaled(text, units) else {
            throw CairnError(.usage, "`\(text)` is not a length of time: 90s, 15m, 2h, 30d or 8w", object: place)
        }
        return value
    }

    /// Bytes: `1048576`, `512KiB`, `64MiB`, `2GiB`, and decimal `500MB`.
    ///
    /// - Throws: `.usage` naming `place`.
    static func bytes(_ text: String, place: String) throws -> Int {
        let units = [
            ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("kB", 1_000), ("MB", 1_000_000),
            ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1), ("", 1),
        ]
        guard let value = scaled(text, units) else {
            throw CairnError(.usage, "`\(text)` is not a size: 512KiB, 64MiB, 2GiB or a number of bytes", object: place)
        }
        return value
    }

    /// The number before the first unit that fits, times its size; nil for anything else, also when it overflows.
    private static func scaled(_ text: String, _ units: [(name: String, size: Int)]) -> Int? {
        guard let unit = units.first(where: { text.hasSuffix($0.name) }) else { return nil }
        let digits = text.dropLast(unit.name.count)
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(digits) else {
            return nil
        }
        let (value, overflows) = number.multipliedReportingOverflow(by: unit.size)
        return overflows ? nil : value
    }
}
