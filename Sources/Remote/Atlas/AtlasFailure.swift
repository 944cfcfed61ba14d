import Bytes
import Foundation

/// What an answer of the Atlas administration API that is no success means.
///
/// Source: *Atlas Administration API Error Codes*, *Atlas Administration API Rate Limits*.
enum AtlasFailure {
    /// The body of an error.
    private struct Body: Decodable {
        let errorCode: String?
        let detail: String?
        let reason: String?
    }

    /// A sentence of the service is shown up to this length.
    private static let detailMax = 300

    /// The error to throw. `resource` is the path below `/api/atlas/v2/`.
    static func error(
        _ response: HTTPResponse, _ data: Data, _ resource: String, _ credential: AtlasCredential
    ) -> CairnError {
        let body = try? JSONDecoder().decode(Body.self, from: data)
        let errorCode = body?.errorCode ?? ""
        let (code, remedy) = meaning(response.status, errorCode, credential)
        var text = "\(remedy) (status \(response.status)"
        if !errorCode.isEmpty { text += ", \(errorCode.prefix(100))" }
        if let detail = body?.detail ?? body?.reason { text += ": \(detail.prefix(detailMax))" }
        return CairnError(code, text + ")", object: "Atlas \(resource)")
    }

    private static func meaning(
        _ status: Int, _ code: String, _ credential: AtlasCredential
    ) -> (CairnError.Code, String) {
        switch (status, code) {
        case (_, "IP_ADDRESS_NOT_ON_ACCESS_LIST"), (_, "ORG_REQUIRES_ACCESS_LIST"):
            return (.privilege, "add this machine's address to the API access list of \(credential.kind)")
        case (_, "CANNOT_RESTORE_TO_TARGET"):
            return (
                .privilege, "\(credential.kind) needs a backup role in the target's project as well as in the source's"
            )
        case (403, _), (401, "USER_UNAUTHORIZED"):
            return (
                .privilege,
                "\(credential.kind) lacks the right: Project Backup Manager for snapshots and restores, Project Read "
                    + "Only to look at them"
            )
        case (401, _):
            return (
                .authentication, "\(credential.kind) was refused: is it right, not expired, and of this organization?"
            )
        case (402, _): return (.privilege, "Atlas wants the organization's billing settled")
        case (429, _):
            return (.unreachable, "too many requests to Atlas, also after waiting; try again in some minutes")
        case (404, _): return (.notFound, missing(code))
        case (406, _):
            return (.server, "Atlas knows this version of its resource no more; a newer cairn is needed")
        case (405, "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"):
            return (.unreachable, "Atlas is being upgraded; try again later")
        case (409, _): return (.held, conflict(code))
        case (400, let code) where code.contains("FLEX") || code.contains("TENANT") || code.contains("SERVERLESS"):
            return (.usage, "Atlas takes snapshots on demand of dedicated clusters alone, M10 and larger")
        case (400, let code) where code.contains("COMPLIANCE"):
            return (.usage, "the project's backup compliance policy forbids it; `cairn atlas status` shows the policy")
        case (400, _): return (.usage, "Atlas does not accept the request")
        case (let status, _) where HTTPExchange.isTransient(status):
            return (.unreachable, "Atlas is too busy or failed; try again later")
        default: return (.server, "Atlas refused the request")
        }
    }

    private static func missing(_ code: String) -> String {
        switch code {
        case "GROUP_NOT_FOUND", "INVALID_GROUP_ID":
            "no such project, or it is hidden from this account; compare atlas.project-id with the project's settings"
        case "CLUSTER_NOT_FOUND", "CLUSTER_NAME_NOT_FOUND": "no such cluster in the project; names are case-sensitive"
        case "BACKUP_CONFIG_NOT_FOUND": "the cluster has no backup; switch cloud backup on"
        case "UNABLE_T0_FIND_SNAPSHOT_PRIOR_TO_PIT_RESTORE_OPTIME":
            "no snapshot before that time; `cairn atlas status` shows how far back times can be restored"
        default: "no such thing in Atlas; `cairn atlas list` shows what there is"
        }
    }

    private static func conflict(_ code: String) -> String {
        switch code {
        case "ATLAS_CLUSTER_RESTORE_IN_PROGRESS":
            "the target is being restored already; `cairn atlas list --restores` shows the job"
        case "CANNOT_START_RESTORE_JOB_FOR_INCOMPLETE_CLUSTER_SNAPSHOT", "CANNOT_DOWNLOAD_INCOMPLETE_SNAPSHOT":
            "the snapshot is not complete; wait for it"
        case "NO_CHECKPOINT_FOR_PIT_RESTORE":
            "that time cannot be restored; `cairn atlas status` shows how far back times can be"
        default: "something else goes on with this cluster; `cairn atlas list` shows it, try again when it has ended"
        }
    }
}
