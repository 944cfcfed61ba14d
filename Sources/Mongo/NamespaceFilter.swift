/// Which namespaces a job handles: `--ns-include` and `--ns-exclude`.
///
/// A pattern is matched against `db.collection` as a whole. `*` stands for any run of bytes, dots included; `\` makes
/// the next character literal. A pattern without a dot and without `*` names a whole database. An empty include list
/// includes everything; exclusion wins.
public struct NamespaceFilter: Sendable {
    private let include: [NamespacePattern]
    private let exclude: [NamespacePattern]

    /// Everything.
    public static let all = NamespaceFilter(include: [], exclude: [])

    /// Patterns as the user wrote them.
    public init(include: [String], exclude: [String]) {
        self.include = include.map(NamespacePattern.init)
        self.exclude = exclude.map(NamespacePattern.init)
    }

    /// Whether nothing is left out.
    public var includesEverything: Bool { include.isEmpty && exclude.isEmpty }

    /// Whether `namespace` is wanted.
    public func admits(_ namespace: Namespace) -> Bool {
        let name = Array(namespace.description.utf8)
        if exclude.contains(where: { $0.matches(name) }) { return false }
        return include.isEmpty || include.contains { $0.matches(name) }
    }
}

/// One pattern of `NamespaceFilter`, compiled to the literal runs between its stars.
struct NamespacePattern: Sendable {
    /// The literals; between neighbours anything may stand.
    let runs: [[UInt8]]

    init(_ pattern: String) {
        var runs: [[UInt8]] = [[]]
        var literal = false
        var sawDot = false
        for byte in pattern.utf8 {
            if !literal, byte == UInt8(ascii: "\\") {
                literal = true
                continue
            }
            if !literal, byte == UInt8(ascii: "*") {
                runs.append([])
            } else {
                sawDot = sawDot || byte == UInt8(ascii: ".")
                runs[runs.count - 1].append(byte)
            }
            literal = false
        }
        if runs.count == 1, !sawDot {
            runs[0].append(UInt8(ascii: "."))
            runs.append([])
        }
        self.runs = runs
    }

    /// Whether the whole of `name` matches.
    func matches(_ name: [UInt8]) -> Bool { captures(of: name) != nil }

    /// What each star stands for (the shortest match from the left), or nil when `name` does not match.
    ///
    /// Greedy from the left is enough: only the last run is anchored at the end, so an earlier match never spoils a
    /// later one.
    func captures(of name: [UInt8]) -> [[UInt8]]? {
        guard name.starts(with: runs[0]) else { return nil }
        if runs.count == 1 { return name.count == runs[0].count ? [] : nil }
        var position = runs[0].count
        var captured: [[UInt8]] = []
        for run in runs[1..<(runs.count - 1)] {
            guard let found = firstIndex(of: run, in: name, from: position) else { return nil }
            captured.append(Array(name[position..<found]))
            position = found + run.count
        }
        let last = runs[runs.count - 1]
        guard name.count - last.count >= position, name.suffix(last.count).elementsEqual(last) else { return nil }
        captured.append(Array(name[position..<(name.count - last.count)]))
        return captured
    }

    private func firstIndex(of run: [UInt8], in name: [UInt8], from start: Int) -> Int? {
        guard run.count <= name.count - start else { return nil }
        return (start...(name.count - run.count)).first { name[$0..<($0 + run.count)].elementsEqual(run) }
    }
}

/// `--ns-from`/`--ns-to`: renames namespaces; each `*` on the right takes what the `*` in the same place on the left
/// stood for.
public struct NamespaceRename: Sendable {
    private let from: NamespacePattern
    private let to: NamespacePattern

    /// Nil when both sides do not have the same number of stars.
    public init?(from: String, to: String) {
        self.from = NamespacePattern(from)
        self.to = NamespacePattern(to)
        if self.from.runs.count != self.to.runs.count { return nil }
    }

    /// The new name, or nil when the rule does not apply (or would give no valid namespace).
    public func apply(to namespace: Namespace) -> Namespace? {
        guard let captured = from.captures(of: Array(namespace.description.utf8)) else { return nil }
        var name = to.runs[0]
        for (index, text) in captured.enumerated() {
            name += text
            name += to.runs[index + 1]
        }
        return Namespace(String(decoding: name, as: UTF8.self))
    }
}
