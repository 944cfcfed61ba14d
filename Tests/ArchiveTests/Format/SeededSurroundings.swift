import Bytes
import Synchronization

@testable import Archive

extension Surroundings {
    /// Randomness from SHA-256 over a counter, and a clock that goes on by a second whenever it is asked: the same
    /// seed gives the same repository, byte for byte.
    static func seeded(_ seed: String, start: Int64 = 1_795_000_000_000) -> Surroundings {
        let state = Mutex((counter: 0, now: start))
        return Surroundings(
            random: { count in
                var output: [UInt8] = []
                while output.count < count {
                    let counter = state.withLock { state in
                        state.counter += 1
                        return state.counter
                    }
                    let input = Array("\(seed) \(counter)".utf8)
                    output += SHA256.hash(input.rawSpan).bytes
                }
                return Array(output.prefix(count))
            },
            now: {
                state.withLock { state in
                    state.now += 1000
                    return state.now
                }
            })
    }

    /// The system's randomness and a clock that stands until the test moves it.
    static func clock(_ clock: TestClock) -> Surroundings {
        Surroundings(random: Surroundings.system.random, now: { clock.now })
    }
}

/// A clock that only the test moves.
final class TestClock: Sendable {
    private let time: Mutex<Int64>

    init(_ start: Int64 = 1_795_000_000_000) { time = Mutex(start) }

    var now: Int64 { time.withLock { $0 } }

    func advance(milliseconds: Int64) { time.withLock { $0 += milliseconds } }
}

extension PassphraseCost {
    /// Next to nothing: for tests only.
    static let cheap = PassphraseCost(logN: 4, r: 1, p: 1)
}

extension KeySource {
    static func passphrase(_ text: String) -> KeySource {
        .passphrase(SecretBytes(copying: Array(text.utf8).rawSpan))
    }

    static func keyFile(_ byte: UInt8) -> KeySource {
        .keyFile(SecretBytes(copying: [UInt8](repeating: byte, count: 32).rawSpan))
    }
}

extension RepositoryParameters {
    static let cheap = RepositoryParameters(passphraseCost: .cheap)
}
