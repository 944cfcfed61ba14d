import BSON
import Bytes

/// Which elements may follow which in the documents of a chunk: what encoder and decoder learn, step by step alike.
///
/// A node is "behind this element in this container"; its edges are the elements that were seen there next, in the
/// order in which they were first seen, and an element's symbol is its edge's number. Documents of one shape are the
/// same symbols again and again, which the codec behind makes nothing of; an optional field costs one symbol that
/// differs, where a dictionary of whole shapes would need another shape for each combination.
///
/// All tables are reused from chunk to chunk.
@safe
final class StructureModel {
    /// An element in its container, and the node behind it.
    struct Element {
        /// The first 8 bytes of type, name and zero, and which of them count. No element of a document matches those
        /// of elements that have no name of their own.
        var head: UInt64
        var mask: UInt64
        /// Where type, name and zero are in the names.
        var header: Int32
        var headerCount: Int32
        /// Where the edges are in the table of edges.
        var edges: Int32
        var edgeCount: Int32
        var edgeCapacity: Int32
        /// The node that starts the container it stands in.
        var container: Int32
        /// The node that starts the container that it is, or -1.
        var inner: Int32
        /// The column of its values, or -1 when its type has none.
        var column: Int32
        /// The column of its names when it is wild.
        var names: Int32
        var form: Form
        var type: UInt8
        /// How its value is moved.
        var layout: Layout
        /// The size of its values when all have the same, `notFixed` otherwise.
        var valueSize: UInt8
        /// The same if the header is short too, so that both can be copied in fixed steps; `notFixed` otherwise.
        var shortSize: UInt8

        /// No size that values have.
        static let notFixed = UInt8.max
    }

    /// What an element's name is.
    enum Form: UInt8 {
        /// The start of a container, or the end of one: no element.
        case none
        /// Always the same.
        case named
        /// Its place in its array, in decimal: "0", "1", …
        case indexed
        /// Kept in a column: of containers whose names are data.
        case wild
    }

    /// How long a value is.
    enum Layout: UInt8 {
        case container, empty, one, four, eight, twelve, sixteen
        /// A length that counts the bytes behind it.
        case prefixed
        /// Anything else.
        case other
    }

    /// The node at the start of a document of the chunk.
    static let root: Int32 = 0
    /// The edge that ends a container.
    static let end: Int32 = 1

    /// Elements, starts included. Encoders stop before, so that a decoder need not accept more.
    static let elementsMax = 4_096
    static let edgesMax = 65_536
    /// A symbol is a byte; the last means that an edge is new.
    static let edgesOfNodeMax = 255

    let elements: UnsafeMutablePointer<Element>
    private(set) var count = 0
    let edges: UnsafeMutablePointer<Int32>
    private var edgesUsed = 0
    /// Headers of named elements.
    let names = Buffer(capacity: 4_096)
    /// Bytes that may be read behind a header, and the longest header that is copied as so many.
    static let slack = 32
    private var columnTypes: [UInt8] = []

    init() {
        unsafe elements = .allocate(capacity: Self.elementsMax)
        unsafe edges = .allocate(capacity: Self.edgesMax)
        reset()
    }

    deinit {
        unsafe elements.deallocate()
        unsafe edges.deallocate()
    }

    /// Forgets all but the start of documents.
    func reset() {
        count = 0
        edgesUsed = 0
        columnTypes.removeAll(keepingCapacity: true)
        names.removeAll()
        _ = addStart(type: BSONType.document.rawValue)
        _ = addStart(type: 0)
    }

    /// Whether an element, with its container, and an edge to it still fit.
    var hasRoom: Bool { count + 2 <= Self.elementsMax }

    private func addStart(type: UInt8) -> Int32 {
        append(
            Element(
                head: 0, mask: .max, header: 0, headerCount: 0, edges: 0, edgeCount: 0, edgeCapacity: 0,
                container: Int32(count), inner: -1, column: -1, names: -1, form: .none, type: type, layout: .container,
                valueSize: Element.notFixed, shortSize: Element.notFixed))
    }

    private func append(_ element: Element) -> Int32 {
        precondition(count < Self.elementsMax, "callers ask hasRoom")
        unsafe elements[count] = element
        count += 1
        return Int32(count - 1)
    }

    /// Adds an element to a container.
    ///
    /// - Parameter header: type, name and zero; only the type unless it is named.
    func add(_ form: Form, _ header: RawSpan, to container: Int32) -> Int32 {
        let type = header.byte(at: 0)
        let layout = Self.layout(of: type)
        var head = UInt64(type)
        var mask: UInt64 = .max
        let place = names.count
        if form == .named {
            names.append(header)
            names.append(zeros: Self.slack)
            names.truncate(to: names.count - Self.slack)
            head = 0
            for offset in 0..<min(8, header.byteCount) { head |= UInt64(header.byte(at: offset)) << UInt64(8 * offset) }
            if header.byteCount < 8 { mask = 1 << UInt64(8 * header.byteCount) - 1 }
        } else if form == .wild {
            head = 0
        }
        var nameColumn: Int32 = -1
        var column: Int32 = -1
        if form == .wild { nameColumn = takeColumn(BSONType.string.rawValue) }
        if layout != .container, layout != .empty { column = takeColumn(type) }
        let size = Self.valueSize(layout)
        let isShort = form == .named && header.byteCount <= Self.slack
        let inner = layout == .container ? addStart(type: type) : -1
        return append(
            Element(
                head: head, mask: mask, header: Int32(place), headerCount: Int32(names.count - place), edges: 0,
                edgeCount: 0, edgeCapacity: 0, container: container, inner: inner, column: column, names: nameColumn,
                form: form, type: type, layout: layout, valueSize: size, shortSize: isShort ? size : Element.notFixed))
    }

    private func takeColumn(_ type: UInt8) -> Int32 {
        columnTypes.append(type)
        return Int32(columnTypes.count - 1)
    }

    /// How many columns the elements have.
    var columnCount: Int { columnTypes.count }

    /// The type of a column's values; names are strings.
    func type(ofColumn number: Int) -> UInt8 { columnTypes[number] }

    /// Makes `element` the next edge of `node`; false when there is no room.
    func connect(_ node: Int32, to element: Int32) -> Bool {
        let node = unsafe elements + Int(node)
        guard unsafe node.pointee.edgeCount < Self.edgesOfNodeMax else { return false }
        if unsafe node.pointee.edgeCount == node.pointee.edgeCapacity {
            let capacity = unsafe max(2, Int(node.pointee.edgeCapacity) * 2)
            guard edgesUsed + capacity <= Self.edgesMax else { return false }
            unsafe (edges + edgesUsed).update(
                from: edges + Int(node.pointee.edges), count: Int(node.pointee.edgeCount))
            unsafe node.pointee.edges = Int32(edgesUsed)
            unsafe node.pointee.edgeCapacity = Int32(capacity)
            edgesUsed += capacity
        }
        unsafe edges[Int(node.pointee.edges + node.pointee.edgeCount)] = element
        unsafe node.pointee.edgeCount += 1
        return true
    }

    private static func valueSize(_ layout: Layout) -> UInt8 {
        switch layout {
        case .empty: 0
        case .one: 1
        case .four: 4
        case .eight: 8
        case .twelve: 12
        case .sixteen: 16
        case .container, .prefixed, .other: Element.notFixed
        }
    }

    /// How values of a type are moved; `.other` also for types that do not exist.
    static func layout(of type: UInt8) -> Layout {
        switch type {
        case 0x03, 0x04: .container
        case 0x06, 0x0A, 0x7F, 0xFF: .empty
        case 0x08: .one
        case 0x10: .four
        case 0x01, 0x09, 0x11, 0x12: .eight
        case 0x07: .twelve
        case 0x13: .sixteen
        case 0x02, 0x0D, 0x0E: .prefixed
        default: .other
        }
    }
}

/// What the stream of definitions says of an edge that is new, format-spec.md §6.6.
///
/// [J-6].
enum Definition {
    static let end: UInt64 = 0
    static let named: UInt64 = 1
    static let indexed: UInt64 = 2
    static let wild: UInt64 = 3
    /// Behind it, the number of an element that is known, plus this.
    static let known: UInt64 = 4
    /// The symbol of a new edge.
    static let symbol: UInt8 = 255
}
