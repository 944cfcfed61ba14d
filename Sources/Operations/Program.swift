/// Who wrote what is in a repository, as audit records and `--version` tell it.
public enum Program {
    /// The version of this program.
    public static let version = "0.1.0"
    /// Name and version.
    public static let name = "cairn \(version)"
}
