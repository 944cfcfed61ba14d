/// Reads the XML of List Blobs, in one walk over its bytes.
///
/// Foundation's parser makes a string and a dictionary for each of some 20 elements that the service sends of a blob:
/// half a second of CPU time for 100,000 blobs. This one knows what the service sends and nothing more: a comment, a
/// CDATA section, an unknown entity, an element that is not closed or closed twice is no listing.
struct BlobListReader {
    private(set) var items: [BlobListItem] = []
    private(set) var nextMarker = ""

    private let bytes: [UInt8]
    private var at = 0
    /// Where the names of the elements are that are open.
    private var open: [Range<Int>] = []
    private var item: BlobListItem?
    private var sawBlobs = false
    private var sawMarker = false
    private var sawEnd = false

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Reads everything; false when it is no whole listing.
    mutating func read() -> Bool {
        // Where the text of the element begins that was opened last; nil behind any other end.
        var text: Int?
        while let tag = nextTag() {
            switch tag.kind {
            case .prologue:
                text = nil
            case .opening:
                begin(tag.name)
                text = at
            case .empty:
                begin(tag.name)
                guard end(tag.name, text: at..<at) else { return false }
                text = nil
            case .closing:
                guard end(tag.name, text: text.map { $0..<tag.start }) else { return false }
                text = nil
            }
        }
        return at == bytes.count && sawEnd && sawBlobs && sawMarker
    }

    private struct Tag {
        enum Kind { case prologue, opening, closing, empty }
        let kind: Kind
        let start: Int
        let name: Range<Int>
    }

    /// The next tag, with `at` behind it; nil at the end, or, with `at` not there, for what is no XML.
    private mutating func nextTag() -> Tag? {
        guard let start = bytes[at...].firstIndex(of: UInt8(ascii: "<")) else {
            // Behind the last element there is only white space.
            if sawEnd, bytes[at...].allSatisfy({ $0 <= UInt8(ascii: " ") }) { at = bytes.count }
            return nil
        }
        // An attribute's value may hold what ends a tag.
        var quote: UInt8?
        var end = start + 1
        while end < bytes.count, quote != nil || bytes[end] != UInt8(ascii: ">") {
            let byte = bytes[end]
            if byte == quote {
                quote = nil
            } else if quote == nil, byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            }
            end += 1
        }
        guard end < bytes.count, end > start + 1, !sawEnd else { return nil }
        at = end + 1
        if bytes[start + 1] == UInt8(ascii: "?") { return Tag(kind: .prologue, start: start, name: start..<start) }
        let isClosing = bytes[start + 1] == UInt8(ascii: "/")
        let isEmpty = bytes[end - 1] == UInt8(ascii: "/")
        let first = start + (isClosing ? 2 : 1), last = isEmpty ? end - 1 : end
        let name = first..<(bytes[first..<max(first, last)].firstIndex { $0 <= UInt8(ascii: " ") } ?? max(first, last))
        // `<!` begins what the service never sends.
        guard let letter = bytes[name].first, letter != UInt8(ascii: "!"), !(isClosing && isEmpty) else {
            at = start
            return nil
        }
        return Tag(kind: isClosing ? .closing : isEmpty ? .empty : .opening, start: start, name: name)
    }

    private func isNamed(_ name: Range<Int>, _ expected: StaticString) -> Bool {
        name.count == expected.utf8CodeUnitCount && bytes[name].elementsEqual(expected.description.utf8)
    }

    private mutating func begin(_ name: Range<Int>) {
        open.append(name)
        if isNamed(name, "Blob") { item = BlobListItem() }
        if isNamed(name, "Blobs") { sawBlobs = true }
    }

    /// - Parameter text: where the element's text is; nil when it holds elements.
    /// - Returns: false when the element is not the one that is open, or holds what it should not.
    private mutating func end(_ name: Range<Int>, text: Range<Int>?) -> Bool {
        guard let begun = open.popLast(), bytes[begun] == bytes[name] else { return false }
        sawEnd = open.isEmpty
        if sawEnd { return isNamed(name, "EnumerationResults") }
        if isNamed(name, "Blob") {
            if let item { items.append(item) }
            item = nil
        }
        return text.map { take(name, $0) } ?? true
    }

    /// The lengths tell most of the elements apart that are of no interest.
    private mutating func take(_ name: Range<Int>, _ text: Range<Int>) -> Bool {
        switch name.count {
        case 4 where isNamed(name, "Name") && item?.name == "":
            guard let text = Self.decoded(bytes[text]) else { return false }
            item?.name = text
        case 10 where isNamed(name, "AccessTier"): item?.tier = Self.decoded(bytes[text]) ?? ""
        case 10 where isNamed(name, "NextMarker"):
            guard let text = Self.decoded(bytes[text]) else { return false }
            nextMarker = text
            sawMarker = true
        case 11 where isNamed(name, "Content-MD5"): item?.contentMD5 = Self.decoded(bytes[text]) ?? ""
        case 12 where isNamed(name, "ResourceType"): item?.isDirectory = Self.decoded(bytes[text]) == "directory"
        case 13 where isNamed(name, "ArchiveStatus"): item?.archiveStatus = Self.decoded(bytes[text]) ?? ""
        case 13 where isNamed(name, "Last-Modified"):
            guard let seconds = Self.decoded(bytes[text]).flatMap(HTTPDate.seconds) else { return false }
            item?.modified = seconds
        case 14 where isNamed(name, "Content-Length"):
            guard let size = Self.decoded(bytes[text]).flatMap({ Int($0) }), size >= 0 else { return false }
            item?.size = size
        default: break
        }
        return true
    }

    /// Text with its entities replaced; nil for an unknown one, and for what is not UTF-8.
    private static func decoded(_ raw: ArraySlice<UInt8>) -> String? {
        guard raw.contains(UInt8(ascii: "&")) else { return String(validating: raw, as: UTF8.self) }
        var result = ""
        for (number, piece) in raw.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false).enumerated() {
            guard number > 0 else {
                guard let start = String(validating: piece, as: UTF8.self) else { return nil }
                result = start
                continue
            }
            guard let end = piece.firstIndex(of: UInt8(ascii: ";")),
                let character = character(String(decoding: piece[..<end], as: UTF8.self)),
                let rest = String(validating: piece[(end + 1)...], as: UTF8.self)
            else { return nil }
            result.unicodeScalars.append(character)
            result += rest
        }
        return result
    }

    private static func character(_ entity: String) -> Unicode.Scalar? {
        switch entity {
        case "amp": return "&"
        case "lt": return "<"
        case "gt": return ">"
        case "quot": return "\""
        case "apos": return "'"
        default:
            if entity.hasPrefix("#x") { return UInt32(entity.dropFirst(2), radix: 16).flatMap(Unicode.Scalar.init) }
            guard entity.hasPrefix("#") else { return nil }
            return UInt32(entity.dropFirst()).flatMap(Unicode.Scalar.init)
        }
    }
}
