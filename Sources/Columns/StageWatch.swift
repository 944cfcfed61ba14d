/// Says where the time of an encoder or decoder goes, for benchmarks; backups have none.
///
/// Stages nest: what happens inside an inner stage is booked to that alone.
public final class StageWatch {
    /// A part of the work.
    public enum Stage: Int, CaseIterable, Sendable {
        /// Validation, and taking documents apart into symbols and columns.
        case shredding
        /// Cutting text into words, or joining them.
        case words
        /// Choosing among the other codecs, and applying them.
        case codecs
        /// zstd, samples included; or the way back.
        case compression
        /// Putting documents together.
        case assembling
    }

    private let clock: () -> Int
    private var last = 0
    private var current: Stage?
    private var times = [Int](repeating: 0, count: Stage.allCases.count)

    /// - Parameter clock: nanoseconds since any time.
    public init(clock: @escaping () -> Int) { self.clock = clock }

    /// The nanoseconds of a stage so far.
    public func nanoseconds(of stage: Stage) -> Int { times[stage.rawValue] }

    /// Begins a stage; `leave` gets what this returns.
    func enter(_ stage: Stage) -> Stage? {
        let outer = current
        change(to: stage)
        return outer
    }

    /// Ends the stage that was entered last.
    func leave(to outer: Stage?) { change(to: outer) }

    private func change(to stage: Stage?) {
        let now = clock()
        if let current { times[current.rawValue] += now - last }
        last = now
        current = stage
    }
}
