import Bytes

/// Stands in until BSON has it: refuses every update.
enum UpdateApplier {
    static func apply(update: RawSpan, to document: RawSpan, into result: Buffer) throws {
        throw CairnError(.unsupportedFormat, "updates cannot be applied yet")
    }
}
