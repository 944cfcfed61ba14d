import Bytes

/// Damage as it is found, and which chunks it makes unreadable. Damage of one object at one place is listed once.
final class Findings {
    private(set) var damage: [Damage] = []
    /// Chunks that cannot be read, with the damage that is to blame.
    private(set) var badChunks: [ChunkID: Int] = [:]
    private var places: [Place: Int] = [:]

    private struct Place: Hashable {
        let object: String
        let offset: Int?
        let message: String
    }

    /// Adds damage; its number.
    @discardableResult
    func add(_ found: Damage) -> Int {
        let place = Place(object: found.object, offset: found.offset, message: found.message)
        if let known = places[place] { return known }
        places[place] = damage.count
        damage.append(found)
        return damage.count - 1
    }

    /// Adds damage that makes `chunk` unreadable.
    func add(_ found: Damage, chunk: ChunkID) {
        let number = add(found)
        if badChunks[chunk] == nil { badChunks[chunk] = number }
    }

    /// Blames earlier damage for `chunk`.
    func blame(_ number: Int, chunk: ChunkID) {
        if badChunks[chunk] == nil { badChunks[chunk] = number }
    }

    func attribute(_ affected: Affected, to number: Int) { damage[number].add(affected) }
}

extension CairnError {
    /// Whether it tells of stored bytes that are wrong or gone; anything else (no network, no permission) ends a
    /// check, for nothing can be said about what was not read.
    var isDamage: Bool { code == .corrupt || code == .notFound || code == .unsupportedFormat || code == .limit }
}
