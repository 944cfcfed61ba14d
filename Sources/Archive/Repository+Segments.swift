import BSON
public import Bytes

// Segments.
extension Repository {
    /// The ids of all segments, ascending.
    public func segmentIDs() throws -> [RandomID] { try list(.segment) }

    /// Reads one segment's description; `SegmentReader` reads its entries.
    public func segment(_ id: RandomID) throws -> Segment {
        let segment = try Segment(id: id, try readSealed(kind: .segment, id: id))
        try requireValid(segment, object: Names.text(.segment, id))
        return segment
    }

    /// Reads the descriptions of all segments, by the time that they begin at, then by the one that they end at.
    ///
    /// - Parameter damaged: is told of a segment that is damaged or of a newer version; when nil, the first such error
    ///   is thrown. One that somebody removes meanwhile is passed over, and so is a void one.
    public func segments(damaged: ((RandomID, CairnError) -> Void)? = nil) throws -> [Segment] {
        try valid(try everySegment(damaged: damaged)).sorted(by: Segment.precedes)
    }

    /// Commits a segment. Its chunks must be durable (`ArchiveWriter.flush`). format-spec.md §11 [W-8].
    public func writeSegment(_ segment: Segment) throws {
        let problem = segment.problem
        precondition(problem == nil, problem ?? "")
        try writeSealed(segment.encode(), kind: .segment, id: segment.id)
    }
}

extension Segment {
    /// The order of where they begin, then of where they end.
    static func precedes(_ one: Segment, _ other: Segment) -> Bool {
        (one.from.timestamp, one.to.timestamp, one.id) < (other.from.timestamp, other.to.timestamp, other.id)
    }
}
