import Bytes

/// One diff on its way through one document: both are walked once, side by side, level by level.
///
/// What the diff does not name is copied in runs as long as possible. All offsets are those in the whole diff and the
/// whole document, so that nesting needs no new spans.
struct DiffMerge: ~Copyable, ~Escapable {
    let diff: RawSpan
    let document: RawSpan
    let result: Buffer
    private let start: Int
    private var fields = DiffFields()

    @_lifetime(copy diff, copy document)
    init(diff: RawSpan, document: RawSpan, result: Buffer) {
        self.diff = diff
        self.document = document
        self.result = result
        start = result.count
    }

    /// An element, by its offsets in the span it was found in.
    struct Element {
        let start: Int
        let type: UInt8
        /// The zero behind the name.
        let nameEnd: Int
        let end: Int

        var name: Range<Int> { (start &+ 1)..<nameEnd }
        var value: Int { nameEnd &+ 1 }
    }

    /// The element at `offset`, which lies before `end`, the final zero of its document.
    @inline(__always)
    static func element(at offset: Int, in bytes: RawSpan, end: Int) throws(CairnError) -> Element {
        let type = bytes.byte(at: offset)
        guard let nameEnd = ValueLayout.zero(in: bytes, from: offset &+ 1, end: end) else {
            throw Malformed.element(at: offset)
        }
        let size = ValueLayout.byteCount(of: type, in: bytes, at: nameEnd &+ 1, end: end)
        guard size >= 0 else { throw Malformed.element(at: offset) }
        return Element(start: offset, type: type, nameEnd: nameEnd, end: nameEnd &+ 1 &+ size)
    }

    /// The offset of the final zero of the document at `offset`.
    func end(in bytes: RawSpan, at offset: Int) -> Int { offset + Int(bytes.integer(at: offset, as: Int32.self)) - 1 }

    /// Servers write no document larger than `UpdateApplier.byteCountMax`; without the bound a diff of a few bytes
    /// could ask for an array of two thousand million nulls.
    func checkSize() throws(CairnError) {
        guard result.count &- start <= UpdateApplier.byteCountMax else { throw UpdateFault.tooLarge }
    }

    /// Appends what the diff of a document at `diffAt` makes of the document at `documentAt`; both are framed.
    mutating func mergeDocument(diffAt: Int, documentAt: Int, depth: Int) throws(CairnError) {
        guard depth <= BSONValidator.depthMax else { throw UpdateFault.tooDeep }
        var level = fields.openLevel()
        try readSections(at: diffAt)
        try fields.seal(&level, in: diff)
        guard fields.opened <= diff.byteCount else { throw UpdateFault.tooOften }

        let length = openDocument()
        let end = end(in: document, at: documentAt)
        var offset = documentAt &+ 4
        var copied = offset
        while offset < end {
            let element = try Self.element(at: offset, in: document, end: end)
            let count = element.nameEnd &- offset &- 1
            if let index = fields.index(of: offset &+ 1, count, in: document, level, diff) {
                result.append(document.extracting(copied..<offset))
                try change(element, index, depth)
                copied = element.end
            }
            offset = element.end
        }
        result.append(document.extracting(copied..<end))
        for index in level.first..<level.end {
            let field = fields.fields[index]
            guard field.kind == .insert || field.kind == .update && !field.isPlaced else { continue }
            try appendFromDiff(Int(field.element)..<Int(field.end))
        }
        closeDocument(length)
        fields.close(level)
    }

    /// Appends what field `index` of the diff makes of `element`.
    private mutating func change(_ element: Element, _ index: Int, _ depth: Int) throws(CairnError) {
        let field = fields.fields[index]
        switch field.kind {
        case .delete, .insert: break
        case .update:
            fields.place(index)
            try appendFromDiff(Int(field.element)..<Int(field.end))
        case .binary: try patch(element, field)
        case .nested:
            result.append(littleEndian: isNestedMatch(field.value, element) ? element.type : BSONType.null.rawValue)
            result.append(document.extracting((element.start + 1)..<element.value))
            try mergeNested(diffAt: field.value, element, depth)
        }
    }

    /// Appends the value that the diff at `diffAt` makes of that of `element`, whose type and name are written; that
    /// is nothing where the types do not match, for then null is written.
    mutating func mergeNested(diffAt: Int, _ element: Element, _ depth: Int) throws(CairnError) {
        guard isNestedMatch(diffAt, element) else { return }
        let bytes = document.extracting(element.value..<element.end)
        guard DocumentView.isFramed(bytes) else { throw Malformed.element(at: element.start) }
        if element.type == BSONType.array.rawValue {
            try mergeArray(diffAt: diffAt, documentAt: element.value, depth: depth + 1)
        } else {
            try mergeDocument(diffAt: diffAt, documentAt: element.value, depth: depth + 1)
        }
        try checkSize()
    }

    /// Whether the nested diff at `diffAt` is of the type of `element`: `a` as its first key makes it one of an array.
    func isNestedMatch(_ diffAt: Int, _ element: Element) -> Bool {
        // A framed diff that is not empty has these bytes.
        let isArray = diff.byte(at: diffAt + 5) == 0x61 && diff.byte(at: diffAt + 6) == 0
        return element.type == (isArray ? BSONType.array : .document).rawValue
    }

    func appendFromDiff(_ range: Range<Int>) throws(CairnError) {
        result.append(diff.extracting(range))
        try checkSize()
    }

    /// Appends an open length, and says where.
    func openDocument() -> Int {
        result.append(littleEndian: Int32(0))
        return result.count - 4
    }

    func closeDocument(_ length: Int) {
        result.append(littleEndian: UInt8(0))
        result.overwrite(at: length, littleEndian: Int32(truncatingIfNeeded: result.count - length))
    }
}

/// Reading a level of a diff of a document.
extension DiffMerge {
    private static let order: [UInt8] = [0x64, 0x75, 0x69, 0x62]  // d u i b
    private static let nestedMark: UInt8 = 0x73  // s

    private mutating func readSections(at diffAt: Int) throws(CairnError) {
        let end = end(in: diff, at: diffAt)
        var offset = diffAt + 4
        guard offset < end else { throw UpdateFault.empty() }
        // The place in `order` behind the last section; that of the nested diffs behind all others.
        var stage = 0
        while offset < end {
            let section = try Self.element(at: offset, in: diff, end: end)
            let name = diff.extracting(section.name)
            guard name.byteCount > 0 else { throw UpdateFault.unknownKey(name, in: "diff") }
            let letter = name.byte(at: 0)
            if letter == Self.nestedMark {
                stage = Self.order.count
                try checkDocument(section)
                guard section.end - section.value > 5 else { throw UpdateFault.empty() }
                fields.append(field(section, .nested, skipping: 1))
            } else {
                var place = stage
                while place < Self.order.count, Self.order[place] != letter { place += 1 }
                guard place < Self.order.count, name.byteCount == 1, let kind = DiffFields.Kind(rawValue: UInt8(place))
                else { throw UpdateFault.unknownKey(name, in: "diff") }
                stage = place + 1
                try checkDocument(section)
                try readFields(section, kind)
            }
            offset = section.end
        }
    }

    private mutating func readFields(_ section: Element, _ kind: DiffFields.Kind) throws(CairnError) {
        let end = section.end - 1
        var offset = section.value + 4
        while offset < end {
            let element = try Self.element(at: offset, in: diff, end: end)
            if kind == .binary { try checkDocument(element) }
            fields.append(field(element, kind, skipping: 0))
            offset = element.end
        }
    }

    private func field(_ element: Element, _ kind: DiffFields.Kind, skipping mark: Int) -> DiffFields.Field {
        let name = element.start + 1 + mark
        let count = element.nameEnd - name
        return DiffFields.Field(
            head: DiffFields.head(diff, name, count), name: Int32(name), nameCount: Int32(count),
            element: Int32(element.start), end: Int32(element.end), kind: kind)
    }

    /// Sections and nested diffs are documents, and framed.
    func checkDocument(_ element: Element) throws(CairnError) {
        guard element.type == BSONType.document.rawValue else { throw mistyped(element) }
        guard DocumentView.isFramed(diff.extracting(element.value..<element.end)) else {
            throw Malformed.element(at: element.start)
        }
    }

    func mistyped(_ element: Element) -> CairnError {
        // `element` was found, so its type is known.
        UpdateFault.mistyped(diff.extracting(element.name), BSONType(rawValue: element.type) ?? .null, in: "diff")
    }
}

/// Compressed columns.
extension DiffMerge {
    private static let columnSubtype: UInt8 = 7
    /// Length and subtype before the bytes of a binary value.
    private static let binaryHeader = 5

    /// Appends `element`, a compressed column, with its bytes from the patch's offset on replaced.
    private func patch(_ element: Element, _ field: DiffFields.Field) throws(CairnError) {
        let name = diff.extracting(Int(field.name)..<(Int(field.name) + Int(field.nameCount)))
        var parts = try DocumentView(diff.extracting(field.value..<Int(field.end))).makeElements()
        guard let offset = try parts.next(), offset.isNamed("o"), let kept = offset.integer,
            let data = try parts.next(), data.isNamed("d"), let added = data.binary, data.binarySubtype == 0,
            try parts.next() == nil
        else { throw UpdateFault.mistyped(name, .document, in: "section \"b\" of a diff") }
        let column = element.value + Self.binaryHeader
        guard element.type == BSONType.binary.rawValue, document.byte(at: column - 1) == Self.columnSubtype,
            kept >= 0, kept <= element.end - column
        else { throw UpdateFault.binary(name) }
        result.append(document.extracting(element.start..<element.value))
        result.append(littleEndian: Int32(truncatingIfNeeded: Int(kept) + added.byteCount))
        result.append(littleEndian: Self.columnSubtype)
        result.append(document.extracting(column..<(column + Int(kept))))
        result.append(added)
        try checkSize()
    }
}
