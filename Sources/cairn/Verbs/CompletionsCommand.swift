internal import ArgumentParser

/// `cairn completions`.
struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions", abstract: "Print a shell's completion script.",
        discussion: """
            Example:
              cairn completions bash > /etc/bash_completion.d/cairn
            """)

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash
        case zsh
        case fish
    }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() throws {
        let script =
            switch shell {
            case .bash: Cairn.completionScript(for: .bash)
            case .zsh: Cairn.completionScript(for: .zsh)
            case .fish: Cairn.completionScript(for: .fish)
            }
        try Console.shared.writeResult(script + "\n")
    }
}
