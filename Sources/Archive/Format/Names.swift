public import Bytes
public import ObjectStore

/// The names of objects. format-spec.md §4.1 [O-2].
public enum Names {
    /// The one object that makes a store a repository.
    public static let config = ObjectName(trusted: configText)

    static let configText = "config"

    /// The folder of key objects.
    public static let keys = "keys/"

    /// Marks a replica; replication writes down there what it has to remember. format-spec.md §9.5 [G-7].
    public static let replicaMark = ObjectName(trusted: "leases/replica")

    /// The name of the key object `id`.
    public static func key(_ id: RandomID) -> ObjectName { ObjectName(trusted: keys + id.hex) }

    /// The name of the pack `id`.
    public static func pack(_ id: RandomID) -> ObjectName { ObjectName(trusted: packText(id)) }

    /// The name of the object `id` of `kind`.
    public static func object(_ kind: ObjectKind, _ id: RandomID) -> ObjectName { ObjectName(trusted: text(kind, id)) }

    /// The id in a name; nil when the name is not one that a writer gives to objects of this kind.
    public static func id(of name: ObjectName, kind: ObjectKind) -> RandomID? {
        guard let id = RandomID(hex: name.lastSegment), text(kind, id) == name.path else { return nil }
        return id
    }

    /// The id in the name of a key object; nil when the name is not one that a writer makes.
    public static func keyID(of name: ObjectName) -> RandomID? {
        guard let id = RandomID(hex: name.lastSegment), keys + id.hex == name.path else { return nil }
        return id
    }

    /// The name of a pack as text. 256 folders keep each one small on file systems that search folders linearly.
    static func packText(_ id: RandomID) -> String {
        let hex = id.hex
        return "packs/" + hex.prefix(2) + "/" + hex
    }

    /// The name of an object as text.
    static func text(_ kind: ObjectKind, _ id: RandomID) -> String {
        switch kind {
        case .chunk, .packDirectory: packText(id)
        default: kind.folder + id.hex
        }
    }
}

extension FinishedPack {
    /// The name that the pack is put under.
    public var name: ObjectName { Names.pack(id) }
}
