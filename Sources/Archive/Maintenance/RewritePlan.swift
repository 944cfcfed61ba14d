import Bytes
import ObjectStore

/// Packs that shall be rewritten, whatever share of them is needed. Packs of
/// writers at work are left for another time.
struct RewritePlan: Sendable {
    /// The packs to rewrite. Those of metadata come first, so that they go on being apart from documents.
    let packs: [PackContents]
    /// Packs that were chosen and are condemned already, though something needs them: what is copied from them lets
    /// them go. [D-7]
    let spared: [PackContents]
    /// Packs that were chosen and of which nothing is needed, or not any more: what a run before copied.
    let useless: [RandomID]
    private let survey: PackSurvey

    /// All packs in the store that are not condemned, with their sizes.
    var sizes: [RandomID: Int] { survey.sizes }

    /// Nothing is touched by making one.
    ///
    /// A chunk that is in another pack, too, is taken for that one's: so what an earlier run copied stays.
    ///
    /// - Parameters:
    ///   - chooses: whether a pack that index objects name shall be rewritten.
    ///   - choosesUnnamed: whether a pack that none names, or says something wrong of, shall go: nothing needs it.
    /// - Throws: as `PackSurvey`.
    init(
        _ repository: Repository, choosing chooses: (PackContents) -> Bool,
        unnamed choosesUnnamed: (RandomID) throws -> Bool = { _ in false }
    ) throws {
        let survey = try PackSurvey(repository, last: chooses)
        self.survey = survey
        var documents: [PackContents] = []
        var metadata: [PackContents] = []
        var useless: [RandomID] = []
        for (id, pack) in survey.contents where chooses(pack) && !survey.fresh.contains(id) {
            switch survey.needed(of: pack).first?.location.type {
            case nil: useless.append(id)
            case .leafList, .catalogue: metadata.append(pack)
            default: documents.append(pack)
            }
        }
        for id in survey.sizes.keys where survey.contents[id] == nil && !survey.fresh.contains(id) {
            if try choosesUnnamed(id) { useless.append(id) }
        }
        spared = survey.condemned.values.filter { chooses($0) && !survey.needed(of: $0).isEmpty }
            .sorted { $0.identity.id < $1.identity.id }
        packs = [metadata, documents].flatMap { $0.sorted { $0.identity.id < $1.identity.id } }
        self.useless = useless.sorted()
    }

    /// The chunks for which a pack is needed, in the order in which they lie.
    func chunks(of pack: PackContents) -> [(id: ChunkID, location: ChunkLocation)] { survey.needed(of: pack) }
}
