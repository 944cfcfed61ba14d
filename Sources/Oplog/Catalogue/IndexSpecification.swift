import BSON
import Bytes

/// An index specification as `listIndexes` shows it, from how the oplog writes it: the server gives the fields an order
/// and their declared types (mongod's `db/list_indexes.idl`; checked against mongod 6.0).
enum IndexSpecification {
    static let order = [
        "v", "key", "name", "ns", "background", "unique", "hidden", "partialFilterExpression", "sparse",
        "expireAfterSeconds", "storageEngine", "weights", "default_language", "language_override",
        "textIndexVersion", "2dsphereIndexVersion", "bits", "min", "max", "bucketSize", "coarsestIndexedLevel",
        "finestIndexedLevel", "dropDups", "collation", "wildcardProjection", "columnstoreProjection",
        "prepareUnique", "clustered", "originalSpec",
    ]
    private static let known = Set(order)
    private static let integers: Set<String> = [
        "expireAfterSeconds", "textIndexVersion", "2dsphereIndexVersion", "bits", "coarsestIndexedLevel",
        "finestIndexedLevel",
    ]
    private static let doubles: Set<String> = ["min", "max", "bucketSize"]

    /// The specification as it is listed.
    ///
    /// - Throws: `.unsupportedFormat` naming a field that is not known.
    static func listed(_ specification: BSONDocument, _ command: CommandEntry) throws -> BSONDocument {
        for name in specification.names where !known.contains(name) {
            throw command.unknown("field \"\(name)\" of an index")
        }
        return specification.rebuilt { name, element, builder in
            let value = (try? BSONValue(element)) ?? .null
            if integers.contains(name), let number = value.wholeNumber {
                builder.append(name, .int32(Int32(clamping: number)))
            } else if doubles.contains(name), let number = value.number {
                builder.append(name, .double(number))
            } else {
                builder.append(element)
            }
        }.ordered(order)
    }

    /// The index on `_id` that a `create` makes; nil when it makes none.
    static func ofID(_ command: CommandEntry) throws -> BSONDocument? {
        switch (command.document["idIndex"], command.document["clusteredIndex"]) {
        case (.document(let index), _): return try listed(index, command)
        case (_, .document(let clustered)):
            return try listed(clustered, command).setting("clustered", true, order: order)
        // Buckets of a time series.
        case (_, .some): return nil
        // Of version 1, which is not written.
        case (nil, nil): return command.document["autoIndexId"] == .bool(false) ? nil : versionOne
        default: throw command.malformed("idIndex")
        }
    }

    private static let versionOne: BSONDocument = ["v": 1, "key": ["_id": 1], "name": "_id_"]

    /// The specification after the `index` part of a `collMod`.
    static func modified(
        _ specification: BSONDocument, _ change: BSONDocument, _ command: CommandEntry
    ) throws -> BSONDocument {
        var result = specification
        for (name, value) in change.fields where name != "name" && name != "keyPattern" {
            switch (name, value) {
            case ("expireAfterSeconds", _):
                guard let seconds = value.wholeNumber else { throw command.malformed("index.\(name)") }
                result = result.setting(name, .int32(Int32(clamping: seconds)), order: order)
            case ("hidden", .bool(true)), ("prepareUnique", .bool(true)):
                result = result.setting(name, value, order: order)
            case ("unique", .bool(true)):
                result = result.removing("prepareUnique").setting(name, value, order: order)
            case ("hidden", _), ("prepareUnique", _): result = result.removing(name)
            case ("forceNonUnique", .bool(true)), ("unique", .bool(false)): result = result.removing("unique")
            default: throw command.unknown("field \"index.\(name)\" of collMod")
            }
        }
        return result
    }
}

extension BSONValue {
    /// A number of any type but decimal.
    var number: Double? {
        switch self {
        case .int32(let number): Double(number)
        case .int64(let number): Double(number)
        case .double(let number): number
        default: nil
        }
    }
}

/// Indexes of a time series: the oplog has them on the buckets, users see them on measurements (mongod's
/// `db/timeseries/timeseries_index_schema_conversion_functions.cpp`).
struct BucketIndexes {
    private let timeField: String
    private let metaField: String?

    /// For the buckets with these options; nil for another collection.
    init?(_ options: BSONDocument) {
        guard case .document(let series) = options["timeseries"], case .string(let time) = series["timeField"] else {
            return nil
        }
        timeField = time
        if case .string(let meta) = series["metaField"] { metaField = meta } else { metaField = nil }
    }

    /// The specification as it is listed on the time series.
    ///
    /// - Throws: `.unsupportedFormat` for a key of the buckets that stands for nothing known.
    func shown(_ specification: BSONDocument, _ command: CommandEntry) throws -> BSONDocument {
        if case .document(let original) = specification["originalSpec"] {
            return try IndexSpecification.listed(original, command)
        }
        guard case .document(let keys) = specification["key"] else { throw command.malformed("key") }
        var shown: [(String, BSONValue)] = []
        for (name, value) in keys.fields {
            guard let field = try field(name, value, command) else { continue }
            shown.append((field, value))
        }
        return try IndexSpecification.listed(
            specification.setting("key", .document(BSONDocument(shown)), order: []), command)
    }

    /// Whether the buckets keep the specification as the user gave it, because theirs says less: for fields of
    /// measurements and for partial indexes. Servers list that one, whatever `collMod` did to the index since.
    func keepsOriginal(_ shown: BSONDocument) -> Bool {
        guard !shown.contains("partialFilterExpression"), case .document(let keys) = shown["key"] else { return true }
        return keys.names.contains { name in
            name != timeField && name != metaField && metaField.flatMap { name.dropping($0 + ".") } == nil
        }
    }

    /// The measurement's field; nil for the second of the pair that stands for one.
    private func field(_ name: String, _ value: BSONValue, _ command: CommandEntry) throws -> String? {
        if let metaField {
            if name == "meta" { return metaField }
            if let path = name.dropping("meta.") { return "\(metaField).\(path)" }
        }
        let isAscending = (value.number ?? 1) >= 0
        // Ascending by minimum then maximum, descending by maximum then minimum.
        let first = isAscending ? "control.min." : "control.max."
        let second = isAscending ? "control.max." : "control.min."
        if let path = name.dropping(first) { return path }
        if name.dropping(second) != nil { return nil }
        throw command.unknown("key \"\(name)\" of an index on buckets")
    }
}
