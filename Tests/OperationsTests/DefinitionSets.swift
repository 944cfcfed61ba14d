import Archive
import BSON

// Definitions in a form whose differences can be read in a failed test; the program compares stored bytes.

extension BSONDocument {
    /// The fields without their order.
    var asSet: [String: BSONValue] {
        Dictionary(fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
}

extension CatalogueEntry {
    /// The indexes, whatever their order.
    var indexesByName: [String: [String: BSONValue]] {
        Dictionary(
            indexes.map { index in
                var name = ""
                if case .string(let text)? = index["name"] { name = text }
                return (name, index.asSet)
            }, uniquingKeysWith: { first, _ in first })
    }
}
