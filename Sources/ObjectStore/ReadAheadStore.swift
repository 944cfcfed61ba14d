public import Bytes
import Synchronization

/// A store that is far away, read ahead: who reads parts of an object one behind the other, as a restore reads chunks
/// of packs, gets them from windows of megabytes, several on their way at once, instead of by a request for each.
///
/// An object is read ahead once two of its parts were asked for that follow each other; what is read here and there is
/// read as it is asked for. A thread that needs a window which is on its way does not wait idly but fetches the next.
/// At most `windowsMax` windows are in memory.
///
/// Objects that are put once do not change; one that is put, deleted or forgotten through this store is not known to it
/// any more.
public final class ReadAheadStore: ObjectStore {
    /// Bytes of a window.
    public static let windowSize = 4 << 20
    /// Parts of which one starts so far behind the other's end follow each other. What lies between is read for
    /// nothing; threads that share the work ask a little out of order.
    static let gapMax = 1 << 20

    private final class Window: Sendable {
        let name: ObjectName
        let range: Range<Int>
        /// Given when it is there, or failed.
        let arrival = StopSignal()
        let content: Mutex<Buffer?>

        init(_ name: ObjectName, _ range: Range<Int>) {
            self.name = name
            self.range = range
            content = Mutex(nil)
        }
    }

    /// How far an object was read.
    private struct Track {
        /// Where the part ended that was asked for last.
        var end: Int
        /// Where the next window starts; nil while it is not read ahead.
        var ahead: Int?
        /// Given once the size is known; nil while nobody asked.
        var measured: StopSignal?
        var size = 0
        /// When it was asked for last, as a number of requests.
        var used: Int
    }

    private struct State {
        var tracks: [ObjectName: Track] = [:]
        /// The one used last at the end.
        var windows: [Window] = []
        var requests = 0
    }

    private let base: any ObjectStore
    private let windowsMax: Int
    private let state = Mutex(State())

    /// Where the base store is.
    public var location: String { base.location }
    /// As the base store's.
    public var parallelism: Int { base.parallelism }

    /// Reads `base` ahead.
    public init(_ base: any ObjectStore) {
        self.base = base
        windowsMax = 2 * base.parallelism
    }

    // MARK: Reading parts

    private enum Step {
        /// It is in a window, or will be.
        case take(Window)
        /// Get the window, then look again.
        case fetch(Window)
        /// Learn the object's size, then look again.
        case measure(StopSignal)
        /// Wait until another has learnt it.
        case wait(StopSignal)
        case direct
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        guard !range.isEmpty else { return try base.get(name, range: range, into: buffer) }
        let start = buffer.count
        var place = range.lowerBound
        while place < range.upperBound {
            let rest = place..<range.upperBound
            switch state.withLock({ step(name, rest, &$0) }) {
            case .measure(let signal): try measure(name, rest, signal)
            case .wait(let signal): while !signal.wait(milliseconds: 60_000) {}
            case .fetch(let window): fetch(window)
            case .take(let window):
                while !window.arrival.wait(milliseconds: 60_000) {}
                if let taken = take(rest, of: window, into: buffer) {
                    place += taken
                    continue
                }
                // Whatever was wrong, the request for the part alone says it.
                fallthrough
            case .direct:
                buffer.truncate(to: start)
                return try base.get(name, range: range, into: buffer)
            }
        }
    }

    /// Appends what a window has of a part from its start on; nil when the window did not come.
    private func take(_ part: Range<Int>, of window: Window, into buffer: Buffer) -> Int? {
        window.content.withLock { content in
            guard let content else { return nil }
            let common = part.clamped(to: window.range)
            let start = common.lowerBound - window.range.lowerBound
            buffer.append(content.bytes.extracting(start..<(start + common.count)))
            return common.count
        }
    }

    private func step(_ name: ObjectName, _ part: Range<Int>, _ state: inout State) -> Step {
        state.requests += 1
        if let place = state.windows.firstIndex(where: { $0.name == name && $0.range.contains(part.lowerBound) }) {
            return use(place, part, &state)
        }
        guard var track = state.tracks[name] else {
            forgetOldest(&state)
            state.tracks[name] = Track(end: part.upperBound, used: state.requests)
            return .direct
        }
        defer { state.tracks[name] = track }
        let distance = part.lowerBound - (track.ahead ?? track.end)
        let isBehind = track.ahead == nil ? abs(distance) <= Self.gapMax : (0...Self.gapMax).contains(distance)
        track.used = state.requests
        track.end = part.upperBound
        guard isBehind, part.count <= Self.windowSize - Self.gapMax else {
            // Before its windows is what they were dropped with; far behind them another beginning.
            if distance > 0 { track.ahead = nil }
            return .direct
        }
        guard let measured = track.measured else {
            let signal = StopSignal()
            track.measured = signal
            return .measure(signal)
        }
        guard measured.wait(milliseconds: 0) else { return .wait(measured) }
        if track.ahead == nil { track.ahead = part.lowerBound }
        return nextWindow(name, &track, &state).map(Step.fetch) ?? .direct
    }

    /// A window that has the part's start: taken when it is there, else the next one is fetched meanwhile.
    private func use(_ place: Int, _ part: Range<Int>, _ state: inout State) -> Step {
        let window = state.windows.remove(at: place)
        state.windows.append(window)
        guard var track = state.tracks[window.name] else { return .take(window) }
        defer { state.tracks[window.name] = track }
        track.end = part.upperBound
        track.used = state.requests
        guard !window.arrival.wait(milliseconds: 0) else { return .take(window) }
        return nextWindow(window.name, &track, &state).map(Step.fetch) ?? .take(window)
    }

    /// Reserves the next window of an object; nil at its end, and when all windows are on their way.
    private func nextWindow(_ name: ObjectName, _ track: inout Track, _ state: inout State) -> Window? {
        guard let start = track.ahead, start < track.size else { return nil }
        if state.windows.count >= windowsMax {
            guard let oldest = state.windows.firstIndex(where: { $0.arrival.wait(milliseconds: 0) }) else { return nil }
            state.windows.remove(at: oldest)
        }
        let window = Window(name, start..<min(start + Self.windowSize, track.size))
        state.windows.append(window)
        track.ahead = window.range.upperBound
        return window
    }

    private func forgetOldest(_ state: inout State) {
        guard state.tracks.count >= 4 * windowsMax, let oldest = state.tracks.min(by: { $0.value.used < $1.value.used })
        else { return }
        state.tracks[oldest.key] = nil
    }

    private func measure(_ name: ObjectName, _ part: Range<Int>, _ signal: StopSignal) throws {
        defer { signal.stop() }
        let size = try base.stat(name)?.size ?? 0
        state.withLock { state in
            state.tracks[name]?.size = size
            state.tracks[name]?.ahead = part.lowerBound
        }
    }

    private func fetch(_ window: Window) {
        let buffer = Buffer(capacity: window.range.count)
        do {
            try base.get(window.name, range: window.range, into: buffer)
            window.content.withLock { $0 = buffer }
        } catch {
            state.withLock { state in state.windows.removeAll { $0 === window } }
        }
        window.arrival.stop()
    }

    private func drop(_ name: ObjectName) {
        state.withLock { state in
            state.tracks[name] = nil
            state.windows.removeAll { $0.name == name }
        }
    }
}

/// What passes through.
extension ReadAheadStore {
    /// As `ObjectStore` asks.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode) throws {
        try put(name, bytes, mode: mode, use: .seldom)
    }

    /// As `ObjectStore` asks.
    public func put(_ name: ObjectName, _ bytes: RawSpan, mode: PutMode, use: ObjectUse) throws {
        defer { drop(name) }
        try base.put(name, bytes, mode: mode, use: use)
    }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, into buffer: Buffer) throws { try base.get(name, into: buffer) }

    /// As `ObjectStore` asks.
    public func get(_ name: ObjectName, sizeMax: Int, into buffer: Buffer) throws {
        try base.get(name, sizeMax: sizeMax, into: buffer)
    }

    /// As `ObjectStore` asks.
    public func getOften(_ name: ObjectName, range: Range<Int>, into buffer: Buffer) throws {
        try base.getOften(name, range: range, into: buffer)
    }

    /// As `ObjectStore` asks.
    public func forget(_ name: ObjectName) -> Bool {
        drop(name)
        return base.forget(name)
    }

    /// As `ObjectStore` asks.
    public func stat(_ name: ObjectName) throws -> ObjectInfo? { try base.stat(name) }

    /// As `ObjectStore` asks.
    public func list(prefix: String, _ body: (ObjectInfo) throws -> Void) throws {
        try base.list(prefix: prefix, body)
    }

    /// As `ObjectStore` asks.
    public func list(prefixes: [String], _ body: (ObjectInfo) throws -> Void) throws {
        try base.list(prefixes: prefixes, body)
    }

    /// As `ObjectStore` asks.
    public func delete(_ name: ObjectName) throws {
        defer { drop(name) }
        try base.delete(name)
    }

    /// As `ObjectStore` asks.
    public func settle(_ names: [ObjectName]) throws { try base.settle(names) }

    /// As `ObjectStore` asks.
    public var archive: (any ArchiveTier)? { base.archive }

    /// As `ObjectStore` asks.
    public func retention(of name: ObjectName) throws -> Int64? { try base.retention(of: name) }
}
