import Foundation

/// A secret that goes into a request as text. Describes itself as nothing, so that no message shows it by accident.
///
/// Not wiped when it goes, unlike `SecretBytes`: the request is text, of which the system makes copies.
public struct SecretText: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    let text: String

    /// Wraps `text`.
    public init(_ text: String) { self.text = text }

    /// Not the secret.
    public var description: String { "(secret)" }
    /// Not the secret.
    public var debugDescription: String { "(secret)" }
}

extension SecretText {
    /// Query text without the question mark that it is shown with.
    var withoutQuestionMark: SecretText {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        return SecretText(trimmed.hasPrefix("?") ? String(trimmed.dropFirst()) : trimmed)
    }
}
