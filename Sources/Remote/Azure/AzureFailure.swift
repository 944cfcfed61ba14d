import Bytes

/// What an answer of the Blob service that is no success means.
///
/// Source: *Blob service error codes* and *Common REST API error codes* of the Storage REST documentation.
enum AzureFailure {
    /// The service's name for what went wrong.
    static func code(_ response: HTTPResponse) -> String {
        response.headers["x-ms-error-code"] ?? "status \(response.status)"
    }

    /// The error to throw. `resource` is the blob or container.
    static func error(_ response: HTTPResponse, _ resource: String, _ credential: AzureCredential) -> CairnError {
        let code = code(response)
        func failure(_ kind: CairnError.Code, _ text: String) -> CairnError {
            let request = response.headers["x-ms-request-id"].map { ", request \($0)" } ?? ""
            return CairnError(kind, "\(text) (\(code)\(request))", object: resource)
        }
        switch (response.status, code) {
        case (_, "ContainerNotFound"), (_, "ContainerBeingDeleted"), (_, "ResourceNotFound"):
            return failure(.noRepository, "no such container; make it, or mend its name")
        case (404, _):
            return failure(.notFound, "no such blob")
        case (_, "BlobAlreadyExists"), (412, "ConditionNotMet"):
            return failure(.alreadyExists, "there is a blob of that name already")
        case (_, "BlobArchived"), (_, "BlobBeingRehydrated"):
            return failure(
                .archived, "the blob is in the archive tier and cannot be read; bring it back with --rehydrate")
        case (_, "BlobImmutableDueToPolicy"), (_, "BlobImmutableDueToLegalHold"):
            return failure(.immutable, "a retention policy or a legal hold keeps the blob as it is")
        case (412, _):
            return failure(.held, "another client holds a lease of the blob or container; break it there")
        case (_, "AuthorizationFailure"):
            return failure(
                .privilege,
                "refused to \(credential.kind); is this address let in by the account's firewall, and the right given?")
        case (403, "AuthorizationPermissionMismatch"), (403, "InsufficientAccountPermissions"),
            (403, "AuthorizationServiceMismatch"), (403, "AuthorizationResourceTypeMismatch"):
            return failure(
                .privilege,
                "\(credential.kind) lacks the right for this; a backup needs to read, list, add, create and write, "
                    + "maintenance to delete as well")
        case (401, _), (403, _):
            return failure(
                .authentication, "\(credential.kind) was refused: is it right, not expired, and the clock correct?")
        case (400, "Md5Mismatch"), (400, "Crc64Mismatch"):
            return failure(.unreachable, "the bytes were damaged on their way")
        case (let status, _) where HTTPExchange.isTransient(status):
            return failure(.unreachable, "the service is too busy or failed")
        default:
            return failure(.server, "the Blob service refused the request with status \(response.status)")
        }
    }
}
