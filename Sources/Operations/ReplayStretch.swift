internal import Archive
internal import BSON

/// Snapshots of one selection of namespaces that segments join, oldest first: each must lead to all behind it.
struct ReplayStretch {
    private(set) var snapshots: [Snapshot]

    /// Those of a timeline. One for each snapshot that nothing leads to or from is among them.
    static func all(of timeline: Timeline) -> [ReplayStretch] {
        var stretches: [ReplayStretch] = []
        var open: [[[String]]: Int] = [:]
        for snapshot in timeline.snapshots {
            let selection = [snapshot.include, snapshot.exclude]
            if let number = open[selection], let last = stretches[number].snapshots.last,
                timeline.ranges.contains(where: { $0.from <= last.at && snapshot.at <= $0.to })
            {
                stretches[number].snapshots.append(snapshot)
            } else {
                open[selection] = stretches.count
                stretches.append(ReplayStretch(snapshots: [snapshot]))
            }
        }
        return stretches
    }

    /// What the snapshot of that number, which is not the first, is compared with.
    ///
    /// The one before it may be of the same time: compaction makes a second snapshot of a time, and nothing else would
    /// ever compare that.
    func bases(of number: Int, _ pairs: CheckReplay.Pairs) -> [Snapshot] {
        switch pairs {
        case .every: return Array(snapshots[..<number])
        case .neighbours:
            let isJump = number > 1 && number == snapshots.count - 1
            return [snapshots[number - 1]] + (isJump ? [snapshots[0]] : [])
        }
    }

    /// What all comparisons read, about.
    func readings(_ pairs: CheckReplay.Pairs) -> (documents: Int, rawBytes: Int) {
        var sum = (documents: 0, rawBytes: 0)
        for number in snapshots.indices.dropFirst() {
            for snapshot in [snapshots[number]] + bases(of: number, pairs) {
                sum.documents += snapshot.totals.documents
                sum.rawBytes += snapshot.totals.rawBytes
            }
        }
        return sum
    }
}
