public import Bytes

/// Cold factories of the errors for bytes that are not BSON: kept out of line so that hot loops stay small.
///
/// `offset` counts from the start of the span that the failing operation was given; callers that know the object add
/// its name.
@usableFromInline
enum Malformed {
    @inline(never)
    @usableFromInline
    static func framing(_ byteCount: Int) -> CairnError {
        CairnError(
            .corrupt, "\(byteCount) bytes are not one BSON document: its length or its final zero byte does not fit",
            offset: 0)
    }

    @inline(never)
    @usableFromInline
    static func element(at offset: Int) -> CairnError {
        CairnError(.corrupt, "malformed BSON element: of no known type, or of the wrong length", offset: offset)
    }

    @inline(never)
    @usableFromInline
    static func batch(at offset: Int) -> CairnError {
        CairnError(.corrupt, "a run of BSON documents holds something that is not a document", offset: offset)
    }

    @inline(never)
    static func value(_ type: BSONType) -> CairnError {
        CairnError(.corrupt, "malformed BSON value of type \(type)")
    }

    @inline(never)
    static func depth(_ depthMax: Int, at offset: Int) -> CairnError {
        CairnError(.limit, "BSON nested deeper than \(depthMax) levels, which no server accepts", offset: offset)
    }

    @inline(never)
    static func fault(_ fault: BSONWalk.Fault, depthMax: Int) -> CairnError {
        switch fault.kind {
        case .depth: depth(depthMax, at: fault.offset)
        case .text: CairnError(.corrupt, "BSON text that is not UTF-8", offset: fault.offset)
        case .boolean: CairnError(.corrupt, "BSON boolean that is neither 0 nor 1", offset: fault.offset)
        case .element, .none: element(at: fault.offset)
        }
    }
}
