internal import Archive
internal import Bytes
internal import Mongo
internal import Operations

/// What `cairn --version` says.
enum VersionText {
    /// The program, the repository format and the libraries, one a line.
    static var full: String {
        """
        \(Program.name)
        repository format \(FormatVersion.current)
        zstd \(ZstdVersion.text)
        \(OpenSSLVersion.text)
        libmongoc \(LibMongoCVersion.text)
        """
    }
}
