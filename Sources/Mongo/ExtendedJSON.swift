public import BSON
internal import Bytes
internal import CMongoC

/// MongoDB Extended JSON v2 by libbson: for people and scripts, never for the data path.
public enum ExtendedJSON {
    /// Canonical Extended JSON on one line: every type survives the way back.
    ///
    /// - Throws: `.corrupt` for text that is not UTF-8 and `.limit` beyond libbson's nesting depth (200): take such a
    ///   document as BSON.
    public static func canonical(_ document: RawSpan) throws -> String {
        let handle = BSONHandle()
        let text: String? = try unsafe handle.withView(of: document) { view in
            var length = 0
            guard let json = unsafe bson_as_canonical_extended_json(view, &length) else { return nil }
            defer { unsafe bson_free(json) }
            return unsafe String(
                validating: UnsafeRawBufferPointer(start: json, count: length).bindMemory(to: UInt8.self), as: UTF8.self
            )
        }
        guard let text else {
            throw CairnError(
                .corrupt,
                "the document cannot be written as JSON (text that is not UTF-8, or nested deeper than "
                    + "200): use --bson.")
        }
        return text
    }

    /// Canonical Extended JSON of an owned document.
    public static func canonical(_ document: BSONDocument) throws -> String {
        try canonical(document.bytes.rawSpan)
    }

    /// Reads Extended JSON, canonical or relaxed; the top level must be an object.
    ///
    /// - Throws: `.usage` with libbson's reason.
    public static func parse(_ json: String) throws -> BSONDocument {
        var error = bson_error_t()
        var text = json
        let bytes: [UInt8]? = text.withUTF8 { utf8 in
            guard let parsed = unsafe bson_new_from_json(utf8.baseAddress, utf8.count, &error) else { return nil }
            defer { unsafe bson_destroy(parsed) }
            return unsafe BSONHandle.bytes(of: parsed)
        }
        guard let bytes else {
            throw CairnError(
                .usage,
                "not a JSON object: \(message(of: &error)). Extended JSON is expected, for "
                    + "example {\"$oid\": …}.")
        }
        return try BSONDocument(validating: bytes)
    }

    /// Reads one Extended JSON value of any type, as `--id` takes it: `5`, `"text"`, `{"$oid": "…"}`.
    ///
    /// - Throws: `.usage` with libbson's reason.
    public static func parseValue(_ json: String) throws -> BSONValue {
        // The wrapper must not let `5}, {"x": 6` pass, hence the check for a single field.
        let document = try parse("{\"v\": \(json)}")
        guard document.fields.count == 1, let value = document["v"] else {
            throw CairnError(.usage, "not one JSON value: \(json)")
        }
        return value
    }
}
