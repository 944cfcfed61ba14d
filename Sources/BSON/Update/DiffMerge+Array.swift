import Bytes

/// Diffs of arrays.
extension DiffMerge {
    /// The next change of an array: what the diff has for `index`.
    private struct Change {
        let index: Int
        let isNested: Bool
        let element: Element
    }

    /// Where a diff of an array has been read to.
    private struct ChangeReader {
        var offset: Int
        let end: Int
        var last = -1
        let length: Int?
    }

    private static let updateMark: UInt8 = 0x75  // u
    private static let nestedMark: UInt8 = 0x73  // s

    /// Appends what the diff of an array at `diffAt` makes of the array at `documentAt`; both are framed.
    ///
    /// Elements are named by their place, whatever their names were, as servers do.
    mutating func mergeArray(diffAt: Int, documentAt: Int, depth: Int) throws(CairnError) {
        guard depth <= BSONValidator.depthMax else { throw UpdateFault.tooDeep }
        var changes = try openChanges(at: diffAt)
        var change = try next(&changes)
        let length = openDocument()
        let end = end(in: document, at: documentAt)
        var offset = documentAt &+ 4
        var copied = offset
        var index = 0
        while offset < end, index < changes.length ?? .max {
            let element = try Self.element(at: offset, in: document, end: end)
            if let found = change, found.index == index {
                result.append(document.extracting(copied..<offset))
                copied = element.end
                try apply(found, to: element, depth)
                change = try next(&changes)
            } else if Self.number(document, element.name) != index {
                result.append(document.extracting(copied..<offset))
                copied = element.end
                appendHeader(element.type, index)
                result.append(document.extracting(element.value..<element.end))
            }
            offset = element.end
            index &+= 1
        }
        result.append(document.extracting(copied..<offset))
        while change != nil || index < changes.length ?? 0 {
            if let found = change, found.index == index {
                try apply(found, to: nil, depth)
                change = try next(&changes)
            } else {
                appendHeader(BSONType.null.rawValue, index)
            }
            try checkSize()
            index &+= 1
        }
        closeDocument(length)
    }

    /// Appends the element at the place of `change`; `element` is what the document has there, if anything.
    private mutating func apply(_ change: Change, to element: Element?, _ depth: Int) throws(CairnError) {
        guard change.isNested else {
            appendHeader(change.element.type, change.index)
            return try appendFromDiff(change.element.value..<change.element.end)
        }
        guard let element, isNestedMatch(change.element.value, element) else {
            return appendHeader(BSONType.null.rawValue, change.index)
        }
        appendHeader(element.type, change.index)
        try mergeNested(diffAt: change.element.value, element, depth)
    }

    /// Reads `a` and `l`.
    private func openChanges(at diffAt: Int) throws(CairnError) -> ChangeReader {
        let end = end(in: diff, at: diffAt)
        let mark = try Self.element(at: diffAt + 4, in: diff, end: end)
        guard mark.type == BSONType.bool.rawValue, diff.byte(at: mark.value) == 1 else { throw mistyped(mark) }
        guard mark.end < end else { return ChangeReader(offset: mark.end, end: end, length: nil) }
        let first = try Self.element(at: mark.end, in: diff, end: end)
        guard first.name.count == 1, diff.byte(at: first.name.lowerBound) == 0x6C else {
            return ChangeReader(offset: mark.end, end: end, length: nil)
        }
        guard first.type == BSONType.int32.rawValue else { throw mistyped(first) }
        let length = diff.integer(at: first.value, as: Int32.self)
        guard length >= 0 else { throw mistyped(first) }
        return ChangeReader(offset: first.end, end: end, length: Int(length))
    }

    /// The next change; nil behind the last.
    private func next(_ reader: inout ChangeReader) throws(CairnError) -> Change? {
        guard reader.offset < reader.end else { return nil }
        let element = try Self.element(at: reader.offset, in: diff, end: reader.end)
        let name = element.name
        let mark = name.isEmpty ? 0 : diff.byte(at: name.lowerBound)
        guard mark == Self.updateMark || mark == Self.nestedMark,
            let index = Self.number(diff, (name.lowerBound + 1)..<name.upperBound), index > reader.last,
            index < reader.length ?? .max
        else { throw UpdateFault.unknownKey(diff.extracting(name), in: "diff of an array") }
        if mark == Self.nestedMark {
            try checkDocument(element)
            guard element.end - element.value > 5 else { throw UpdateFault.empty() }
        }
        reader.offset = element.end
        reader.last = index
        return Change(index: index, isNested: mark == Self.nestedMark, element: element)
    }

    /// The number that a name spells in the one way in which array indexes are spelled; nil for other names.
    static func number(_ bytes: RawSpan, _ name: Range<Int>) -> Int? {
        guard !name.isEmpty, name.count <= 10 else { return nil }
        if bytes.byte(at: name.lowerBound) == 0x30 { return name.count == 1 ? 0 : nil }
        var value = 0
        for offset in name {
            let digit = bytes.byte(at: offset) &- 0x30
            guard digit <= 9 else { return nil }
            value = value * 10 + Int(digit)
        }
        return value
    }

    /// Appends the type and the name of the element at `index`.
    private func appendHeader(_ type: UInt8, _ index: Int) {
        result.append(littleEndian: type)
        result.appendDecimal(index)
        result.append(littleEndian: UInt8(0))
    }
}

extension Buffer {
    /// Appends a number that is not negative as decimal digits.
    func appendDecimal(_ number: Int) {
        var divisor = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(littleEndian: UInt8(0x30 + number / divisor % 10))
            divisor /= 10
        }
    }
}
