internal import Bytes

/// Asks for a passphrase on the terminal, without echo. The question goes to standard error.
enum PassphrasePrompt {
    private static let byteCountMax = 4096

    /// Whether there is a terminal to ask on.
    static var isPossible: Bool { System.isTerminal(System.standardInput) }

    /// Asks once.
    static func ask(_ question: String) throws -> SecretBytes {
        var line = try readLine(question)
        defer { System.wipe(&line) }
        guard !line.isEmpty else { throw CairnError(.usage, "the passphrase is empty") }
        return SecretBytes(copying: line.rawSpan)
    }

    /// Asks twice, and again from the start when the two differ, three times at most.
    static func askTwice(_ question: String) throws -> SecretBytes {
        for _ in 0..<3 {
            var first = try readLine(question)
            var second = try readLine("\(question), once more")
            defer {
                System.wipe(&first)
                System.wipe(&second)
            }
            if first == second && !first.isEmpty { return SecretBytes(copying: first.rawSpan) }
            Console.shared.writeMessage(first.isEmpty ? "a passphrase must not be empty" : "the two are not the same")
        }
        throw CairnError(.usage, "no passphrase was given")
    }

    private static func readLine(_ question: String) throws -> [UInt8] {
        Console.shared.ask("\(question): ")
        StopSignals.setEchoIsOff(true)
        System.setEcho(false, of: System.standardInput)
        defer {
            System.setEcho(true, of: System.standardInput)
            StopSignals.setEchoIsOff(false)
            Console.shared.ask("\n")
        }
        guard let line = System.readLine(from: System.standardInput, byteCountMax: byteCountMax) else {
            throw CairnError(.usage, "no passphrase was given")
        }
        return line
    }
}
