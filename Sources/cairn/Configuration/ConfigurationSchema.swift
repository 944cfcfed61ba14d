/// The JSON Schema of the configuration file, for editors and for those who generate such files.
///
/// YAML makes numbers of what looks like one, and `key:` with nothing behind it sets nothing: so each value may be a
/// text, its number, or null. Lengths of time and sizes are patterns; what a pattern cannot say, `config check` does.
enum ConfigurationSchema {
    /// The schema.
    static var json: JSON {
        var members: [(String, JSON)] = [
            ("$schema", .string("https://json-schema.org/draft/2020-12/schema")),
            ("title", .string("cairn.yaml")), ("type", JSON(["object", "null"])),
            ("additionalProperties", .bool(false)),
        ]
        let sections = Setting.sections.map { section in (section, object(Setting.allCases, section)) }
        members.append(("properties", .object(values(Setting.allCases, nil) + sections + [replicas])))
        return .object(members)
    }

    private static var replicas: (String, JSON) {
        let stores = Setting.allCases.filter(Setting.ofStores.contains)
        let replica: [(String, JSON)] = [
            ("type", .string("object")), ("additionalProperties", .bool(false)),
            ("anyOf", .array([Setting.repository, .repositoryFile].map { .object([("required", JSON([$0.key]))]) })),
            ("properties", .object(values(stores, nil) + [("azure", object(stores, "azure"))])),
        ]
        return (
            ConfigurationFile.replicasKey,
            .object([
                ("description", .string("Copies of the repository elsewhere, each under a name of its own.")),
                ("type", JSON(["object", "null"])), ("additionalProperties", .object(replica)),
            ])
        )
    }

    private static func object(_ settings: [Setting], _ section: String) -> JSON {
        .object([
            ("type", JSON(["object", "null"])), ("additionalProperties", .bool(false)),
            ("properties", .object(values(settings, section))),
        ])
    }

    private static func values(_ settings: [Setting], _ section: String?) -> [(String, JSON)] {
        settings.filter { $0.section == section }.map { setting in
            let description = setting.description
            let byDefault = description.byDefault.map { " Default: \($0)." } ?? ""
            let words = description.syntax.words.map { " \($0)" } ?? ""
            return (
                setting.key,
                .object(
                    [("description", .string(description.note + words + byDefault))]
                        + constraint(description.syntax))
            )
        }
    }

    private static func constraint(_ syntax: SettingSyntax) -> [(String, JSON)] {
        let texts = JSON(["string", "integer", "null"])
        func pattern(_ text: String) -> [(String, JSON)] { [("type", texts), ("pattern", .string(text))] }
        switch syntax {
        case .text, .path: return [("type", JSON(["string", "integer", "number", "boolean", "null"]))]
        case .serverURI: return [("type", JSON(["string", "null"])), ("pattern", .string("^mongodb(\\+srv)?://"))]
        case .texts: return list(pattern: nil)
        case .tagRules: return list(pattern: "^.+=[1-9][0-9]{0,5}[hdwy]$")
        case .words(let words): return [("enum", .array(words.map { .string($0) } + [.null]))]
        case .integer(let range):
            let maximum: [(String, JSON)] =
                range.upperBound == .max ? [] : [("maximum", .integer(range.upperBound))]
            return pattern("^[0-9]+$") + [("minimum", .integer(range.lowerBound))] + maximum
        case .level:
            return pattern("^(1?[0-9]|fast|default|max)$") + [("minimum", .integer(1)), ("maximum", .integer(19))]
        case .size: return pattern("^[0-9]+([KMGT]iB|[kMGT]?B)?$") + [("minimum", .integer(0))]
        case .duration: return pattern("^[0-9]+[smhdw]?$") + [("minimum", .integer(0))]
        case .retention(let never):
            return [
                ("type", JSON(["string", "null"])),
                ("pattern", .string("^([1-9][0-9]{0,5}[hdwy]" + (never.map { "|\($0)" } ?? "") + ")$")),
            ]
        case .recurrence:
            let time = "( ([01][0-9]|2[0-3]):[0-5][0-9])?"
            let days = "(mon|tues|wednes|thurs|fri|satur|sun)day"
            return [
                ("type", JSON(["string", "null"])),
                (
                    "pattern",
                    .string(
                        "^(never|hourly|every [1-9][0-9]{0,3}[mh]|daily\(time)|weekly \(days)\(time)"
                            + "|monthly ([1-9]|1[0-9]|2[0-8])\(time))$")
                ),
            ]
        }
    }

    private static func list(pattern: String?) -> [(String, JSON)] {
        let element: [(String, JSON)] =
            [("type", JSON(["string", "integer", "number", "boolean"]))]
            + (pattern.map { [("pattern", .string($0))] } ?? [])
        return [
            ("type", JSON(["array", "string", "integer", "number", "boolean", "null"])),
            ("items", .object(element)),
        ] + (pattern.map { [("pattern", .string($0))] } ?? [])
    }
}
