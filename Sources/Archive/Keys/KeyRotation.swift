public import Bytes
import ObjectStore

/// What a rotation did.
public struct KeyRotation: Sendable {
    /// The repository with the new master key: what is written through it is sealed under the new epoch. The one that
    /// was rotated goes on writing under the old epoch.
    public let repository: Repository
    /// Key objects that were made: one for each that a given secret opened.
    public let added: [RandomID]
    /// Key objects that were replaced by them.
    public let replaced: [RandomID]
    /// Key objects that no given secret opened, damaged ones included, and that are gone.
    public let revoked: [RandomID]
}

extension Repository {
    /// Draws a new master key for everything that is written from now on; what is older stays readable.
    /// format-spec.md §5.4 [K-13].
    ///
    /// The new key objects are durable, and known to open, before an old one goes: interrupted at any moment, it leaves
    /// a repository that every remaining secret opens, and can be run again. Who kept the old master keys, or a copy of
    /// an old key object with its secret, still reads what was written before.
    ///
    /// - Parameters:
    ///   - lease: the maintenance lease: a writer that knows the old keys alone cannot read what comes after. It is
    ///     held before the new key objects are put and still after it, or they are taken back: two rotations at a time
    ///     would leave keys of which each reads what the other does not.
    ///   - secrets: what shall go on opening the repository. Labels, dates and costs are kept.
    ///   - revokesOthers: whether the keys that none of them opens go.
    /// - Throws: `.usage` naming the keys that none of `secrets` opens, unless these are to be revoked, or when
    ///   somebody rotated meanwhile; `.wrongKey` when a secret opens nothing; `.limit` after 255 rotations; `.held`
    ///   when the lease is lost. No key was removed then.
    public func rotateKeys(
        keeping secrets: [KeySource], revokesOthers: Bool, under lease: Lease
    ) throws -> KeyRotation {
        precondition(lease.kind == .maintenance)
        try requireWritable()
        try requireNewestKeys()
        guard keys.masters.count < FormatLimits.epochsMax else {
            throw CairnError(.limit, "a repository has at most \(FormatLimits.epochsMax) key epochs; make a new one")
        }
        let listing = try KeyStore.list(store, repository: config.id)
        let plan = try planRotation(listing, secrets)
        let others = plan.others + listing.damaged.compactMap(Repository.damagedKey)
        guard others.isEmpty || revokesOthers else {
            let names = others.map(\.hex).joined(separator: ", ")
            throw CairnError(
                .usage,
                "a new master key locks those out whose secrets are not given: keys \(names); give their passphrases "
                    + "or key files too, or let them go with --revoke-others", object: Names.keys)
        }
        let master = surroundings.random(32)
        let next = KeyRing(
            masters: keys.masters + [SecretBytes(copying: master.rawSpan)], repository: config.id)
        var added: [RandomID] = []
        do {
            try lease.requireHeld()
            for (old, secret) in plan.kept {
                added.append(newID())
                try addKey(added[added.count - 1], like: old, secret, to: next)
            }
            try lease.requireHeld()
        } catch {
            // Nothing is written under the new master key yet. What a crash leaves here, the next rotation replaces.
            for id in added { try? store.delete(Names.key(id)) }
            throw error
        }
        let replaced = plan.kept.map(\.key.id) + plan.superseded
        for id in replaced + others {
            try lease.requireHeld()
            try store.delete(Names.key(id))
        }
        return KeyRotation(
            repository: Repository(
                store: store, config: config, keys: next, openedBy: added[0], surroundings: surroundings),
            added: added, replaced: replaced, revoked: others)
    }

    private struct RotationPlan {
        /// The keys to be replaced, each with what opens it; the first is one of the first secret.
        var kept: [(key: KeyObject, secret: KeySource)] = []
        /// What an interrupted rotation left beside them: a kept secret opens these too.
        var superseded: [RandomID] = []
        /// Keys that no secret opens.
        var others: [RandomID] = []
    }

    private func planRotation(_ listing: KeyStore.Listing, _ secrets: [KeySource]) throws -> RotationPlan {
        var plan = RotationPlan()
        var left = listing.objects.map(\.key)
        for (number, secret) in secrets.enumerated() {
            let opened = try left.filter { try opens($0, secret) }
            guard let longest = opened.map(\.wrapped.count).max() else {
                throw CairnError(
                    .wrongKey,
                    "secret \(number + 1) of those given opens none of the keys, or none that another one "
                        + "does not open; nothing was changed", object: Names.keys)
            }
            for key in opened {
                if key.wrapped.count == longest {
                    plan.kept.append((key, secret))
                } else {
                    plan.superseded.append(key.id)
                }
            }
            left.removeAll { key in opened.contains { $0.id == key.id } }
        }
        plan.others = left.map(\.id)
        return plan
    }

    /// Whether `secret` opens the key object.
    ///
    /// - Throws: `.corrupt` when it wraps other master keys than those that are known: what is sealed under them would
    ///   be lost with it.
    private func opens(_ key: KeyObject, _ secret: KeySource) throws -> Bool {
        guard let masters = try key.unwrap(secret) else { return false }
        guard masters.count <= keys.masters.count,
            zip(masters, keys.masters).allSatisfy({ spansEqual($0.bytes, $1.bytes) })
        else {
            throw CairnError(
                .corrupt,
                "it wraps other master keys than the key that opened the repository, as two rotations at the same "
                    + "time could leave them; nothing was changed. What only this key reads must be saved first",
                object: key.name)
        }
        return true
    }

    /// Throws unless this process knows the newest master key: what it wrote would else be readable to those whom a
    /// rotation has locked out, and what others write not to it. [K-2] [K-14]
    ///
    /// - Parameter listed: the key objects that are there; nil lists them. Those that the repository was opened with
    ///   are not read again: a key object never changes.
    /// - Throws: `.usage`.
    func requireNewestKeys(listed: [RandomID]? = nil) throws {
        let known = KeyObject.wrappedCount(epochs: keys.masters.count)
        let new = try (listed ?? KeyStore.ids(store)).filter { !knownKeys.contains($0) }
        let listing = try KeyStore.read(new, store, repository: config.id)
        for (key, bytes) in listing.objects where key.wrapped.count > known {
            let tag: Void? = try? checkTag(
                of: bytes.bytes, verificationKey: keys.verificationKey, prefix: key.id, object: key.name)
            // One that nobody with a key has made must keep nobody from his work.
            guard tag != nil else { continue }
            throw CairnError(
                .usage,
                "the master key was changed meanwhile: start again. If that does not help, `cairn key rotate` was "
                    + "interrupted before it came to this passphrase or key file: run it again with one that it was "
                    + "given",
                object: key.name)
        }
    }

    /// Puts a key object for `secret` that wraps the masters of `keys`, and opens what the store gives back for it.
    private func addKey(_ id: RandomID, like old: KeyObject, _ secret: KeySource, to keys: KeyRing) throws {
        let object = try KeyObject.make(
            id: id, source: secret, keys: keys, label: old.label, created: old.created,
            salt: surroundings.random(KeyObject.saltSize), cost: old.cost ?? .standard)
        try store.put(Names.key(id), object.bytes, mode: .ifAbsent)
        let stored = Buffer(capacity: object.count)
        try store.get(Names.key(id), into: stored)
        let key = try KeyObject(id: id, stored.bytes)
        try checkTag(of: stored.bytes, verificationKey: keys.verificationKey, prefix: id, object: key.name)
        guard try key.unwrap(secret)?.count == keys.masters.count else {
            throw CairnError(
                .io, "the new key object does not open: no old key was removed; check the medium", object: key.name)
        }
    }

    private static func damagedKey(_ error: CairnError) -> RandomID? {
        error.object.flatMap { ObjectName($0) }.flatMap { Names.keyID(of: $0) }
    }
}

extension KeyObject {
    /// Length of the wrapped part that holds as many master keys.
    static func wrappedCount(epochs: Int) -> Int { 4 + 32 * epochs + AESGCM.tagByteCount }
}
