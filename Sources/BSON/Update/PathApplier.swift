import Bytes

/// Applies the updates of older servers (`$v: 1`): `$set` and `$unset` of dotted paths, one after the other.
///
/// A part of a path names a field of a document, or is the index of an array's element. What is missing on the way is
/// made; arrays are padded with null; an element that is unset becomes null. A path that leads through another value
/// changes nothing, as when servers apply their oplog: a later update overwrites that value.
///
/// Each path copies the document once. That is slower than a diff, but servers stopped to write these in 5.0.
enum PathApplier {
    /// - Parameter operators: what follows `$v`.
    static func apply(
        operators: consuming DocumentView.Elements, to document: RawSpan, into result: Buffer
    ) throws(CairnError) {
        guard DocumentView.isFramed(document) else { throw Malformed.framing(document.byteCount) }
        var current = Buffer(capacity: document.byteCount + 256)
        var next = Buffer(capacity: document.byteCount + 256)
        current.append(document)
        while let element = try operators.next() {
            let isSet = element.isNamed("$set")
            guard isSet || element.isNamed("$unset") else { throw UpdateFault.unknownKey(element.name, in: "update") }
            guard element.type == .document, let paths = element.document else {
                throw UpdateFault.mistyped(element.name, element.type, in: "update")
            }
            var fields = paths.makeElements()
            while let field = try fields.next() {
                next.removeAll()
                try step(field, isSet: isSet, from: current.bytes, into: next)
                swap(&current, &next)
            }
        }
        guard current.count <= UpdateApplier.byteCountMax else { throw UpdateFault.tooLarge }
        result.append(current.bytes)
    }

    private static func step(
        _ field: borrowing ElementView, isSet: Bool, from document: RawSpan, into result: Buffer
    ) throws(CairnError) {
        let step = PathStep(field: field.bytes, document: document, isSet: isSet, result: result)
        try step.rewrite(at: 0, isArray: false, part: 1, depth: 1)
    }
}

/// One path on its way through one document. Offsets are those in the whole element and the whole document.
private struct PathStep: ~Escapable {
    /// The element of `$set` or `$unset`: type, path, zero, value.
    let field: RawSpan
    let document: RawSpan
    let isSet: Bool
    let result: Buffer
    /// The zero behind the path.
    let pathEnd: Int

    @_lifetime(copy field, copy document)
    init(field: RawSpan, document: RawSpan, isSet: Bool, result: Buffer) {
        self.field = field
        self.document = document
        self.isSet = isSet
        self.result = result
        // An element has this zero: it was walked over.
        pathEnd = ValueLayout.zero(in: field, from: 1, end: field.byteCount) ?? field.byteCount
    }

    private func partEnd(_ part: Int) -> Int {
        var end = part
        while end < pathEnd, field.byte(at: end) != 0x2E { end += 1 }
        return end
    }

    /// Appends the document or array at `start` with the path's rest, from `part` on, set or unset.
    func rewrite(at start: Int, isArray: Bool, part: Int, depth: Int) throws(CairnError) {
        guard depth <= BSONValidator.depthMax else { throw UpdateFault.tooDeep }
        let end = start + Int(document.integer(at: start, as: Int32.self)) - 1
        let partEnd = partEnd(part)
        let name = field.extracting(part..<partEnd)
        let wanted = isArray ? DiffMerge.number(field, part..<partEnd) : nil
        let length = result.count
        result.append(littleEndian: Int32(0))
        var offset = start + 4
        var count = 0
        var isFound = isArray && wanted == nil
        while offset < end {
            let element = try DiffMerge.element(at: offset, in: document, end: end)
            if !isFound, isArray ? wanted == count : spansEqual(document.extracting(element.name), name) {
                isFound = true
                try change(element, partEnd, isArray: isArray, depth)
            } else {
                result.append(document.extracting(element.start..<element.end))
            }
            offset = element.end
            count += 1
        }
        if isSet, !isFound {
            for index in count..<max(wanted ?? 0, count) {
                appendHeader(.null, index)
                guard result.count <= UpdateApplier.byteCountMax else { throw UpdateFault.tooLarge }
            }
            try create(part, depth)
        }
        result.append(littleEndian: UInt8(0))
        result.overwrite(at: length, littleEndian: Int32(truncatingIfNeeded: result.count - length))
        guard result.count <= UpdateApplier.byteCountMax else { throw UpdateFault.tooLarge }
    }

    /// Appends `element`, which the path's part before `partEnd` names, changed.
    private func change(
        _ element: DiffMerge.Element, _ partEnd: Int, isArray: Bool, _ depth: Int
    ) throws(CairnError) {
        let name = document.extracting(element.name)
        guard partEnd == pathEnd else {
            let isNested = element.type == BSONType.document.rawValue || element.type == BSONType.array.rawValue
            let value = document.extracting(element.value..<element.end)
            guard isNested else { return result.append(document.extracting(element.start..<element.end)) }
            guard DocumentView.isFramed(value) else { throw Malformed.element(at: element.start) }
            result.append(document.extracting(element.start..<element.value))
            return try rewrite(
                at: element.value, isArray: element.type == BSONType.array.rawValue, part: partEnd + 1,
                depth: depth + 1)
        }
        guard isSet || isArray else { return }
        result.append(littleEndian: isSet ? field.byte(at: 0) : BSONType.null.rawValue)
        result.append(name)
        result.append(littleEndian: UInt8(0))
        if isSet { result.append(field.extracting((pathEnd + 1)..<field.byteCount)) }
    }

    /// Appends what is missing: documents in documents down to the value.
    private func create(_ part: Int, _ depth: Int) throws(CairnError) {
        guard depth <= BSONValidator.depthMax else { throw UpdateFault.tooDeep }
        let partEnd = partEnd(part)
        let isLast = partEnd == pathEnd
        result.append(littleEndian: isLast ? field.byte(at: 0) : BSONType.document.rawValue)
        result.append(field.extracting(part..<partEnd))
        result.append(littleEndian: UInt8(0))
        guard !isLast else { return result.append(field.extracting((pathEnd + 1)..<field.byteCount)) }
        let length = result.count
        result.append(littleEndian: Int32(0))
        try create(partEnd + 1, depth + 1)
        result.append(littleEndian: UInt8(0))
        result.overwrite(at: length, littleEndian: Int32(truncatingIfNeeded: result.count - length))
    }

    private func appendHeader(_ type: BSONType, _ index: Int) {
        result.append(littleEndian: type.rawValue)
        result.appendDecimal(index)
        result.append(littleEndian: UInt8(0))
    }
}
