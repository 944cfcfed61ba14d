/// A table of aligned columns, two spaces apart, with a heading line.
struct Table {
    /// On which side a column's text stands.
    enum Alignment {
        case left
        case right
    }

    private var headings: [String]
    private let alignments: [Alignment]
    private var rows: [[String]] = []

    /// A table with these columns.
    init(_ columns: [(String, Alignment)]) {
        headings = columns.map { $0.0 }
        alignments = columns.map { $0.1 }
    }

    /// Adds a line; it has one cell a column.
    mutating func add(_ cells: [String]) {
        precondition(cells.count == headings.count, "a row has one cell per column")
        rows.append(cells.map(Table.printable))
    }

    /// The table as text, each line ended by a newline, no line with blanks at its end.
    var text: String {
        var widths = headings.map { $0.count }
        for row in rows {
            for (column, cell) in row.enumerated() where cell.count > widths[column] { widths[column] = cell.count }
        }
        var output = ""
        for row in [headings] + rows {
            var line = ""
            for (column, cell) in row.enumerated() {
                let blanks = String(repeating: " ", count: widths[column] - cell.count)
                line += (column > 0 ? "  " : "") + (alignments[column] == .left ? cell + blanks : blanks + cell)
            }
            while line.last == " " { line.removeLast() }
            output += line + "\n"
        }
        return output
    }

    /// Names from the database may hold anything; control characters become `\u{…}` so that a collection's name can
    /// neither break a line nor drive the terminal.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var clean = ""
        for scalar in text.unicodeScalars {
            if isControl(scalar) {
                clean += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                clean.unicodeScalars.append(scalar)
            }
        }
        return clean
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
    }
}
