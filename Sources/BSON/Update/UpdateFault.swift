import Bytes

/// Cold factories of the errors of updates; the caller adds time and namespace of the entry.
enum UpdateFault {
    static let dollar: UInt8 = 0x24

    @inline(never)
    static func unknownKey(_ key: RawSpan, in place: String) -> CairnError {
        CairnError(
            .unsupportedFormat,
            "\(place) has the key \"\(String(repairing: key))\", which this version does not understand here")
    }

    @inline(never)
    static func mistyped(_ key: RawSpan, _ type: BSONType, in place: String) -> CairnError {
        CairnError(
            .unsupportedFormat,
            "\(place) has the key \"\(String(repairing: key))\" with a value of type \(type) or of a form that this "
                + "version does not understand")
    }

    @inline(never)
    static func missing(_ key: String, in place: String) -> CairnError {
        CairnError(.unsupportedFormat, "\(place) lacks the key \"\(key)\"")
    }

    @inline(never)
    static func unknownVersion(_ element: borrowing ElementView) -> CairnError {
        let version = element.integer.map { "\($0)" } ?? "a value of type \(element.type)"
        return CairnError(.unsupportedFormat, "update has the key \"$v\" with \(version); versions 1 and 2 are known")
    }

    @inline(never)
    static func repeated(_ name: RawSpan) -> CairnError {
        CairnError(.unsupportedFormat, "diff names the field \"\(String(repairing: name))\" twice")
    }

    @inline(never)
    static func empty() -> CairnError { CairnError(.unsupportedFormat, "diff without a key") }

    @inline(never)
    static func binary(_ name: RawSpan) -> CairnError {
        CairnError(
            .corrupt,
            "diff patches the compressed column \"\(String(repairing: name))\", which the document does not hold in "
                + "that form: the history does not fit the document")
    }

    static var tooLarge: CairnError {
        CairnError(.limit, "update makes a document of more than \(UpdateApplier.byteCountMax) bytes")
    }

    static var tooDeep: CairnError {
        CairnError(.limit, "update reaches deeper than \(BSONValidator.depthMax) levels, which no server accepts")
    }

    /// Only documents that hold one field name very often can bring this about: a diff's part counts once for each.
    static var tooOften: CairnError {
        CairnError(.limit, "diff applies to more fields of the same name than it has bytes")
    }
}
