internal import Bytes
internal import Synchronization

/// Standard output and standard error of this process: results go to the first, everything else to the second.
///
/// One lock joins the progress bar and the log lines on standard error, so that a message never lands inside the bar.
final class Console: Sendable {
    /// The reader of standard output has gone (`cairn cat … | head`). Not a failure: it has what it wanted.
    struct OutputClosed: Error {}

    static let shared = Console()

    private struct State {
        var bar = ""
    }

    private let state = Mutex(State())

    /// Whether standard error is a terminal that a bar can be drawn on.
    let drawsBar: Bool

    private init() {
        drawsBar = System.isTerminal(System.standardError) && System.environment()["TERM"] != "dumb"
    }

    /// Writes to standard output. Throws `OutputClosed` when nobody reads it any more, `.io` or `.noSpace` otherwise.
    func writeOutput(_ bytes: [UInt8]) throws {
        let code = System.write(bytes, to: System.standardOutput)
        if code == 0 { return }
        if System.isBrokenPipe(code) { throw OutputClosed() }
        throw CairnError(
            System.isNoSpace(code) ? .noSpace : .io, "cannot write the result: \(System.text(of: code))",
            object: "standard output")
    }

    /// Writes a whole result; a reader that has gone does not change what the verb achieved.
    func writeResult(_ text: String) throws {
        do { try writeOutput(Array(text.utf8)) } catch is OutputClosed {}
    }

    /// Writes one line to standard error, above the bar if there is one. A standard error that is gone is no reason
    /// to stop a backup.
    func writeMessage(_ line: String) {
        state.withLock { state in
            let bar = state.bar
            let text = bar.isEmpty ? line + "\n" : "\r\u{1B}[K\(line)\n\(bar)"
            _ = System.write(Array(text.utf8), to: System.standardError)
        }
    }

    /// Draws the bar, or removes it when empty.
    func draw(bar: String) {
        state.withLock { state in
            guard drawsBar, !(bar.isEmpty && state.bar.isEmpty) else { return }
            state.bar = bar
            _ = System.write(Array("\r\u{1B}[K\(bar)".utf8), to: System.standardError)
        }
    }

    /// Writes a question without a newline.
    func ask(_ question: String) {
        _ = System.write(Array(question.utf8), to: System.standardError)
    }
}
