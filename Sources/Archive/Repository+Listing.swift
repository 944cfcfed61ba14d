import BSON
import Bytes

extension Repository {
    /// Threads that read small objects: stores answer slowly more often than they are busy.
    static let listingThreads = 8

    /// Reads all small objects of `kind`, by id. Those that somebody removes meanwhile are passed over.
    ///
    /// - Parameters:
    ///   - listed: those that are there; nil lists them.
    ///   - damaged: is told, on the calling thread, of an object that is damaged or of a newer version; when nil, the
    ///     first such error is thrown.
    func readAll<Object: Sendable>(
        _ kind: ObjectKind, listed: [RandomID]? = nil, damaged: ((RandomID, CairnError) -> Void)?,
        _ make: @escaping @Sendable (RandomID, BSONDocument) throws -> Object
    ) throws -> [Object] {
        let read = try Parallel.map(
            try listed ?? list(kind), threads: Repository.listingThreads, name: "cairn-list", context: makeSealedObjects
        ) { codec, id -> (RandomID, Result<Object, CairnError>?) in
            do {
                return (id, .success(try make(id, try self.readSealed(kind: kind, id: id, codec: codec))))
            } catch let error as CairnError where error.code == .notFound {
                return (id, nil)
            } catch let error as CairnError where error.code == .corrupt || error.code == .unsupportedFormat {
                return (id, .failure(error))
            }
        }
        return try read.compactMap { id, result in
            switch result {
            case nil: return nil
            case .success(let object)?: return object
            case .failure(let error)?:
                guard let damaged else { throw error }
                damaged(id, error)
                return nil
            }
        }
    }
}
