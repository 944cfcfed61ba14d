internal import Archive
internal import BSON

/// What a snapshot or a scan holds of a collection.
struct StoredCollection {
    let entry: CatalogueEntry
    /// Changes after this time are not in it, but for those up to `until`, which may be.
    let since: Timestamp
    /// Changes after this time are not in it.
    let until: Timestamp
    /// It is capped and was written to while it was read.
    var isFuzzy = false

    init(entry: CatalogueEntry, since: Timestamp, until: Timestamp) {
        self.entry = entry
        self.since = since
        self.until = until
    }

    /// What a scan that began at `time` read.
    ///
    /// - Parameter newest: a time at which its reading was over: what was read at majority may be as new as that.
    init(_ scan: CollectionScan, at time: Timestamp, newest: Timestamp) throws {
        entry = try scan.finish()
        since = scan.times?.first ?? time
        until = scan.hasChanged ? max(time, newest) : scan.times?.last ?? time
        isFuzzy = scan.hasChanged
    }
}
