public import Bytes
import Glibc
public import ObjectStore
import Synchronization

/// A file system in memory that knows what a power cut leaves.
///
/// The model is what POSIX promises and no more: `fsync` of a file makes its content last, `fsync` of a directory makes
/// its names last, and nothing else lasts for certain. Of the rest, a power cut keeps or loses each change of a name on
/// its own, and of content that was not synced any length with any sector written, zero or garbage. Real file systems
/// keep more; what survives here survives there.
public final class SimulatedDisk: FileSystem {
    /// What becomes of changes that were not synced.
    public enum PowerCut: Sendable, CustomStringConvertible {
        /// All are lost: the least that may be left.
        case losingAll
        /// None yet: what a process that died leaves, for the kernel goes on. What was not synced still is not, and a
        /// later cut may take it.
        case losingNothing
        /// Each is lost, kept or torn by the dice.
        case random(seed: UInt64)

        /// For messages.
        public var description: String {
            switch self {
            case .losingAll: "power cut that loses all that was not synced"
            case .losingNothing: "process that died"
            case .random(let seed): "power cut with seed \(seed)"
            }
        }
    }

    fileprivate struct Node {
        var isDirectory = false
        var content: [UInt8] = []
        /// The content at the last sync, nil when there was none.
        var lasting: [UInt8]?
        var modified: Int64 = 0
        var links = 0
        /// A directory's names now, and changes since its last sync, oldest first.
        var names: [String: Int] = [:]
        var lastingNames: [String: Int] = [:]
        var changes: [(name: String, node: Int?)] = []
    }

    fileprivate struct OpenNode {
        let node: Int
        let access: FileAccess
    }

    fileprivate struct State {
        var nodes: [Node] = [Node(isDirectory: true, links: 1)]
        var open: [Int32: OpenNode] = [:]
        var nextDescriptor: Int32 = 3
        var locks: [Int: Int32] = [:]
        var now: Int64 = 1_800_000_000
    }

    private let state = Mutex(State())

    /// An empty disk.
    public init() {}

    /// Seconds since 1970; tests move it.
    public var now: Int64 {
        get { state.withLock { $0.now } }
        set { state.withLock { $0.now = newValue } }
    }

    /// The disk as it is found when the power is back. This one is not changed, so that one run can be cut many ways.
    public func afterPowerCut(_ cut: PowerCut) -> SimulatedDisk {
        let old = state.withLock { $0 }
        var dice = Dice(seed: 0)
        if case .random(let seed) = cut { dice = Dice(seed: seed) }
        var nodes: [Node] = []
        for node in old.nodes {
            var left = Node(isDirectory: node.isDirectory, modified: node.modified)
            switch cut {
            case .losingNothing:
                left = node
                left.links = 0
                nodes.append(left)
                continue
            case .losingAll:
                left.names = node.lastingNames
                left.content = node.lasting ?? []
            case .random:
                left.names = node.lastingNames
                for change in node.changes where dice.isHeads() { left.names[change.name] = change.node }
                left.content = torn(node, &dice)
            }
            left.lasting = left.content
            left.lastingNames = left.names
            nodes.append(left)
        }
        nodes[0].links = 1
        for target in nodes.flatMap({ $0.names.values }) { nodes[target].links += 1 }
        let disk = SimulatedDisk()
        disk.state.withLock { state in
            state.nodes = nodes
            state.now = old.now
        }
        return disk
    }

    private func torn(_ node: Node, _ dice: inout Dice) -> [UInt8] {
        let lasting = node.lasting ?? []
        if node.content == lasting { return lasting }
        let sectorSize = 512
        // Files only grow here, so what was synced is a prefix of what is there.
        var content = Array(node.content[..<(lasting.count + dice.below(node.content.count - lasting.count + 1))])
        var start = lasting.count
        while start < content.count {
            let end = min(start + sectorSize, content.count)
            let fate = dice.below(3)
            for index in start..<end where fate > 0 {
                content[index] = fate == 1 ? 0 : UInt8(truncatingIfNeeded: dice.next())
            }
            start = end
        }
        return content
    }

    /// `openat`.
    public func open(_ path: String, _ access: FileAccess) throws(SystemError) -> FileDescriptor {
        try locked { state throws(SystemError) in
            let node: Int
            if access == .create {
                node = try state.add(path, Node(modified: state.now), "open")
            } else {
                node = try state.find(path, "open")
                if access == .directory, !state.nodes[node].isDirectory { throw SystemError("open", ENOTDIR) }
            }
            let number = state.nextDescriptor
            state.nextDescriptor += 1
            state.open[number] = OpenNode(node: node, access: access)
            return FileDescriptor(number: number)
        }
    }

    /// `close`.
    public func close(_ file: FileDescriptor) {
        state.withLock { state in
            guard let open = state.open.removeValue(forKey: file.number) else {
                preconditionFailure("a descriptor is closed once")
            }
            if state.locks[open.node] == file.number { state.locks[open.node] = nil }
        }
    }

    /// `write`.
    public func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemError) -> Int {
        let added = [UInt8](bytes)
        return try locked { state throws(SystemError) in
            let node = try state.node(file)
            state.nodes[node].content.append(contentsOf: added)
            state.nodes[node].modified = state.now
            return added.count
        }
    }

    /// `pread`.
    public func read(
        _ file: FileDescriptor, at offset: Int, count: Int, into buffer: Buffer
    ) throws(SystemError) -> Int {
        let content = try locked { state throws(SystemError) in state.nodes[try state.node(file)].content }
        let end = min(content.count, offset + count)
        guard offset < end else { return 0 }
        buffer.append(content.rawSpan.extracting(offset..<end))
        return end - offset
    }

    /// `fsync`.
    public func sync(_ file: FileDescriptor) throws(SystemError) {
        try locked { state throws(SystemError) in
            let node = try state.node(file)
            if state.nodes[node].isDirectory {
                state.nodes[node].lastingNames = state.nodes[node].names
                state.nodes[node].changes = []
            } else {
                state.nodes[node].lasting = state.nodes[node].content
            }
        }
    }

    /// `flock`.
    public func lock(_ file: FileDescriptor, waiting: Bool) throws(SystemError) -> Bool {
        while true {
            let isMine = try locked { state throws(SystemError) in
                let node = try state.node(file)
                if let holder = state.locks[node], holder != file.number { return false }
                state.locks[node] = file.number
                return true
            }
            if isMine || !waiting { return isMine }
            usleep(1000)
        }
    }

    /// `fstat`.
    public func status(_ file: FileDescriptor) throws(SystemError) -> FileStatus {
        try locked { state throws(SystemError) in state.status(try state.node(file)) }
    }

    /// `fstatat`.
    public func status(_ path: String, followingLinks: Bool) throws(SystemError) -> FileStatus {
        try locked { state throws(SystemError) in state.status(try state.find(path, "stat")) }
    }

    /// `linkat`.
    public func link(_ old: String, _ new: String) throws(SystemError) {
        try locked { state throws(SystemError) in
            try state.name(try state.find(old, "link"), new, replacing: false, "link")
        }
    }

    /// `renameat`.
    public func rename(_ old: String, _ new: String) throws(SystemError) {
        try locked { state throws(SystemError) in
            try state.name(try state.find(old, "rename"), new, replacing: true, "rename")
            try state.name(nil, old, replacing: true, "rename")
        }
    }

    /// `unlinkat`.
    public func unlink(_ path: String) throws(SystemError) {
        try locked { state throws(SystemError) in
            let node = try state.find(path, "unlink")
            if state.nodes[node].isDirectory { throw SystemError("unlink", EISDIR) }
            try state.name(nil, path, replacing: true, "unlink")
        }
    }

    /// `mkdirat`.
    public func makeDirectory(_ path: String) throws(SystemError) {
        try locked { state throws(SystemError) in
            _ = try state.add(path, Node(isDirectory: true, modified: state.now), "mkdir")
        }
    }

    /// `readdir` to the end.
    public func names(in path: String) throws(SystemError) -> [String] {
        try locked { state throws(SystemError) in
            let node = try state.find(path, "open")
            guard state.nodes[node].isDirectory else { throw SystemError("open", ENOTDIR) }
            return Array(state.nodes[node].names.keys)
        }
    }

    private func locked<Result: Sendable>(
        _ body: (inout State) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        try state.withLock { state throws(SystemError) in try body(&state) }
    }
}

extension SimulatedDisk.State {
    fileprivate func node(_ file: FileDescriptor) throws(SystemError) -> Int {
        guard let open = open[file.number] else { throw SystemError("descriptor", EBADF) }
        return open.node
    }

    fileprivate func find(_ path: some StringProtocol, _ call: String) throws(SystemError) -> Int {
        var node = 0
        for part in path.split(separator: "/") {
            guard nodes[node].isDirectory else { throw SystemError(call, ENOTDIR) }
            guard let next = nodes[node].names[String(part)] else { throw SystemError(call, ENOENT) }
            node = next
        }
        return node
    }

    fileprivate mutating func add(_ path: String, _ node: SimulatedDisk.Node, _ call: String) throws(SystemError) -> Int
    {
        nodes.append(node)
        do {
            try name(nodes.count - 1, path, replacing: false, call)
        } catch {
            nodes.removeLast()
            throw error
        }
        return nodes.count - 1
    }

    /// Gives `path` to a node, or takes it away (nil).
    fileprivate mutating func name(_ node: Int?, _ path: String, replacing: Bool, _ call: String) throws(SystemError) {
        let cut = path.lastIndex(of: "/")
        let last = cut.map { String(path[path.index(after: $0)...]) } ?? path
        let parent = try find(cut.map { String(path[..<$0]) } ?? "", call)
        guard nodes[parent].isDirectory else { throw SystemError(call, ENOTDIR) }
        if !replacing, nodes[parent].names[last] != nil { throw SystemError(call, EEXIST) }
        if let old = nodes[parent].names[last] { nodes[old].links -= 1 }
        if let node { nodes[node].links += 1 }
        nodes[parent].names[last] = node
        nodes[parent].changes.append((last, node))
    }

    fileprivate func status(_ node: Int) -> FileStatus {
        FileStatus(
            kind: nodes[node].isDirectory ? .directory : .file, size: nodes[node].content.count,
            modified: nodes[node].modified,
            links: nodes[node].links)
    }
}

/// Small seeded random numbers (SplitMix64), the same on every run.
public struct Dice: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// The same seed gives the same numbers.
    public init(seed: UInt64) { state = seed }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    /// A number from 0 to `bound` - 1.
    public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// One of two, evenly.
    public mutating func isHeads() -> Bool { next() & 1 == 0 }
}
