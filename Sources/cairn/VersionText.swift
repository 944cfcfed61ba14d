internal import Archive
internal import Bytes

/// What `cairn --version` says.
enum VersionText {
    /// The program's version.
    static let cairn = "0.1.0"

    /// The program, the repository format and the libraries, one a line.
    static var full: String {
        """
        cairn \(cairn)
        repository format \(FormatVersion.current)
        zstd \(ZstdVersion.text)
        \(OpenSSLVersion.text)
        """
    }
}
