import BSON
import Bytes

/// A collection's options as `listCollections` shows them, from what the oplog says (mongod's
/// `db/catalog/collection_options.cpp`; checked against mongod 6.0).
enum CollectionOptions {
    /// The order in which the server writes them. It is the list of those that are known, too.
    static let order = [
        "capped", "size", "max", "autoIndexId", "recordPreImages", "changeStreamPreAndPostImages", "temp",
        "storageEngine", "validator", "validationLevel", "validationAction", "indexOptionDefaults", "viewOn",
        "pipeline", "collation", "clusteredIndex", "expireAfterSeconds", "timeseries", "encryptedFields",
        "recordIdsReplicated",
    ]
    private static let known = Set(order)

    /// What of the options of its buckets a time series shows (`db/timeseries/timeseries_constants.h`).
    static let shownByTimeseries: Set<String> = [
        "storageEngine", "indexOptionDefaults", "collation", "expireAfterSeconds", "timeseries",
    ]

    /// The options of a `create` entry: all but its first field, the `_id` index and a false `capped`.
    ///
    /// - Throws: `.unsupportedFormat` naming an option that is not known.
    static func created(by command: CommandEntry) throws -> BSONDocument {
        for name in command.document.names.dropFirst() where !known.contains(name) && name != "idIndex" {
            throw command.unknown("option \"\(name)\" of create")
        }
        let isCapped = command.document["capped"] == .bool(true)
        let first = command.name
        return command.document.filtered { name in
            name != first && name != "idIndex" && (isCapped || (name != "capped" && name != "size" && name != "max"))
        }
    }

    /// Fields of `collMod` that options do not show.
    private static let passedOver: Set<String> = ["collMod", "index", "noPadding", "usePowerOf2Sizes"]

    /// The options after a `collMod`.
    ///
    /// - Throws: `.unsupportedFormat` naming a field that is not known.
    static func modified(_ options: BSONDocument, by command: CommandEntry) throws -> BSONDocument {
        // The server writes this option anew with every collMod: gone when it is not named.
        var result = options.removing("recordPreImages")
        for (name, value) in command.document.fields where !passedOver.contains(name) {
            result = try modified(result, name, value, command)
        }
        return result
    }

    private static func modified(
        _ options: BSONDocument, _ name: String, _ value: BSONValue, _ command: CommandEntry
    ) throws -> BSONDocument {
        switch (name, value) {
        case ("validator", _), ("validationLevel", _), ("validationAction", _): return validated(options, name, value)
        case ("recordPreImages", .bool(true)):
            return set(options.removing("changeStreamPreAndPostImages"), name, value)
        case ("recordPreImages", _): return options
        case ("changeStreamPreAndPostImages", .document(let setting)):
            return setting["enabled"] == .bool(true) ? set(options, name, value) : options.removing(name)
        case ("expireAfterSeconds", .string("off")): return options.removing(name)
        case ("expireAfterSeconds", _):
            guard let seconds = value.wholeNumber else { throw command.malformed(name) }
            return set(options, name, .int64(seconds))
        case ("cappedSize", _):
            guard let size = value.wholeNumber else { throw command.malformed(name) }
            // Capped collections grow in steps of 256 bytes.
            return set(options, "size", BSONValue(Int(min(max(size, 0), 1 << 50) + 255) & ~255))
        case ("cappedMax", _):
            guard let most = value.wholeNumber else { throw command.malformed(name) }
            return set(options, "max", BSONValue(Int(most <= 0 ? Int64(Int32.max) : most)))
        case ("timeseries", .document(let change)): return try timeseries(options, change, command)
        default: throw command.unknown("field \"\(name)\" of collMod")
        }
    }

    /// The three options of validation are written together, with their defaults.
    private static func validated(_ options: BSONDocument, _ name: String, _ value: BSONValue) -> BSONDocument {
        var result = set(options, name, value)
        if result["validator"] == .document(BSONDocument()) { result = result.removing("validator") }
        if !result.contains("validationLevel") { result = set(result, "validationLevel", "strict") }
        if !result.contains("validationAction") { result = set(result, "validationAction", "error") }
        return result
    }

    private static let timeseriesOrder = [
        "timeField", "metaField", "granularity", "bucketRoundingSeconds", "bucketMaxSpanSeconds",
    ]

    /// A bucket spans what the granularity says (`db/timeseries/timeseries_options.cpp`), or two numbers of the user.
    private static let spans: [String: Int32] = ["seconds": 3_600, "minutes": 86_400, "hours": 2_592_000]

    private static func timeseries(
        _ options: BSONDocument, _ change: BSONDocument, _ command: CommandEntry
    ) throws -> BSONDocument {
        guard case .document(var own) = options["timeseries"] else { throw command.malformed("timeseries") }
        for (name, value) in change.fields {
            switch (name, value) {
            case ("granularity", .string(let granularity)):
                guard let span = spans[granularity] else {
                    throw command.unknown("granularity \"\(granularity)\" of collMod")
                }
                own = own.removing("bucketRoundingSeconds").setting("granularity", value, order: timeseriesOrder)
                own = own.setting("bucketMaxSpanSeconds", .int32(span), order: timeseriesOrder)
            case ("bucketMaxSpanSeconds", _), ("bucketRoundingSeconds", _):
                own = own.removing("granularity").setting(name, value, order: timeseriesOrder)
            default: throw command.unknown("field \"timeseries.\(name)\" of collMod")
            }
        }
        return set(options, "timeseries", .document(own))
    }

    private static func set(_ options: BSONDocument, _ name: String, _ value: BSONValue) -> BSONDocument {
        options.setting(name, value, order: order)
    }
}

extension BSONValue {
    /// A number without its fraction; nil for what is no number, or too large.
    var wholeNumber: Int64? {
        switch self {
        case .int32(let number): Int64(number)
        case .int64(let number): number
        case .double(let number): Int64(exactly: number.rounded(.towardZero))
        default: nil
        }
    }
}
