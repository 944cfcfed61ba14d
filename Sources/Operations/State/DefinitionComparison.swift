internal import Archive
internal import BSON
internal import Bytes
internal import Mongo

// Names and values compare by their stored bytes, never as Swift's strings, to which two texts that differ in Unicode
// normalisation are one: MongoDB has collections, indexes and fields of both.

extension Namespace {
    /// The namespace of a catalogue entry.
    init(of entry: CatalogueEntry) { self.init(entry.database, entry.collection) }
}

extension BSONDocument {
    /// The stored elements without their order, which the server does not keep in options; those named `ignored` left
    /// out.
    func elementSet(without ignored: StaticString? = nil) -> Set<[UInt8]> {
        let bytes = bytes
        var found: Set<[UInt8]> = []
        // A `BSONDocument` has been validated: its walk cannot fail.
        guard let view = try? DocumentView(bytes.rawSpan) else { return found }
        var elements = view.makeElements()
        while let element = try? elements.next() {
            if let ignored, element.isNamed(ignored) { continue }
            found.insert([UInt8](element.bytes))
        }
        return found
    }
}

extension CatalogueEntry {
    /// What of the definition is not the same, in words.
    func differences(from other: CatalogueEntry) -> [String] {
        var words: [String] = []
        if kind != other.kind { words.append("its kind differs") }
        if uuid != other.uuid { words.append("its UUID differs") }
        if options.elementSet() != other.options.elementSet() { words.append("its options differ") }
        if indexSet != other.indexSet { words.append("its indexes differ") }
        return words
    }

    /// The indexes, whatever their order; that of keys stays.
    private var indexSet: Set<Set<[UInt8]>> { Set(indexes.map { $0.elementSet() }) }
}
