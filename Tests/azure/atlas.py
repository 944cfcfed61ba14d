"""A fake of the MongoDB Atlas administration API, version 2, as far as snapshots and restore jobs go.

mongodb.com/docs/api/doc/atlas-admin-api-v2. It does no work: a snapshot is queued, in progress and complete after as
many looks at it as `looks_until_done` says.
"""

import base64
import json
import re
import secrets

from clock import iso_date
from digest import Digest
from fake import Fake, Refusal, form_of, json_response

VERSION = re.compile(r"application/vnd\.atlas\.(\d{4}-\d{2}-\d{2})\+json")
# The versions of each resource that have not ended; any other date is not acceptable.
VERSIONS = {"backupCompliancePolicy": {"2023-10-01"}, "schedule": {"2024-08-05"},
            "cluster": {"2023-02-01", "2024-08-05"}, "backups": {"2023-01-01"}}
PAGE_LIMIT = 500
DAY = 86400


def _id():
    return secrets.token_hex(12)


def _error(status, code, detail, headers=None):
    reasons = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 406: "Not Acceptable",
               409: "Conflict"}
    return Refusal(status, {"detail": detail, "error": status, "errorCode": code, "parameters": [],
                            "reason": reasons[status]}, headers)


class Atlas(Fake):
    """One project with its clusters."""

    defaults = {
        "public_key": "abcdefgh", "private_key": "01234567-89ab-cdef-0123-456789abcdef",
        "client_id": "mdb_sa_id_0123456789abcdef01234567", "client_secret": "mdb_sa_sk_fake",
        "group_id": "0123456789abcdef01234567", "clusters": ["Cluster0", "Cluster1"], "looks_until_done": 2,
        "expires_in": 3600, "snapshots_fail": False, "sharded": [], "backup_enabled": True, "page_max": PAGE_LIMIT,
        "connection_strings": {"standardSrv": "mongodb+srv://cluster0.fake.example"},
        "compliance_policy": {"state": "ACTIVE", "copyProtectionEnabled": True, "encryptionAtRestEnabled": False,
                              "pitEnabled": True, "restoreWindowDays": 7, "authorizedEmail": "a@example.com",
                              "onDemandPolicyItem": {"frequencyType": "ondemand", "frequencyInterval": 0,
                                                     "retentionUnit": "days", "retentionValue": 7},
                              "scheduledPolicyItems": [{"frequencyType": "daily", "frequencyInterval": 1,
                                                        "retentionUnit": "days", "retentionValue": 7}]},
    }

    def __init__(self, clock):
        super().__init__(clock)
        self.tokens = {}
        self.snapshots = {}
        self.restore_jobs = {}
        self.settings_changed()

    def settings_changed(self):
        """The key pair may be another one now; nonces of before are stale."""
        self.digest = Digest(self.settings["public_key"], self.settings["private_key"])

    def answer(self, request):
        """The token endpoint, or a resource of the project."""
        if request.path == "/api/oauth/token":
            return self._token(request)
        self._authenticate(request)
        version = self._version(request)
        status, body = self._resource(request)
        return json_response(status, body, {"Content-Type": f"application/vnd.atlas.{version}+json;charset=utf-8"})

    def _token(self, request):
        expected = base64.b64encode(f"{self.settings['client_id']}:{self.settings['client_secret']}".encode()).decode()
        if request.method != "POST" or form_of(request) != {"grant_type": "client_credentials"}:
            raise Refusal(400, {"error": "invalid_request", "error_description": "grant_type=client_credentials"})
        if request.headers.get("authorization") != f"Basic {expected}":
            raise Refusal(401, {"error": "invalid_client", "error_description": "wrong client ID or secret"})
        token = secrets.token_urlsafe(32)
        self.tokens[token] = self.clock.now() + self.settings["expires_in"]
        return json_response(
            200, {"access_token": token, "expires_in": self.settings["expires_in"], "token_type": "Bearer"})

    def _authenticate(self, request):
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            if self.tokens.get(credentials, 0) <= self.clock.now():
                raise _error(401, "UNAUTHORIZED", "You are not authorized for this resource.")
            return
        why = "no credentials"
        if scheme == "Digest":
            why = self.digest.why_refused(request.method, request.target, credentials)
        if why is not None:
            raise _error(401, "UNAUTHORIZED", f"You are not authorized for this resource: {why}.",
                         self.digest.challenge(is_stale=why == "stale nonce"))

    @staticmethod
    def _version(request):
        found = VERSION.fullmatch(request.headers.get("accept", ""))
        last = request.path.rsplit("/", 1)[-1]
        kind = last if last in VERSIONS else "backups" if "/backup/" in request.path else "cluster"
        if found is None or found[1] not in VERSIONS[kind]:
            raise _error(406, "INVALID_VERSION_DATE", "The Accept header must name a version of the resource.")
        if request.method == "POST":
            kind = request.headers.get("content-type", "").partition(";")[0]
            if kind != "application/json" and VERSION.fullmatch(kind) is None:
                raise _error(400, "INVALID_JSON", "The Content-Type header must be JSON.")
        return found[1]

    def _resource(self, request):
        found = re.fullmatch("/api/atlas/v2/groups/([0-9a-f]{24})/(.+)", request.path)
        if found is None or found[1] != self.settings["group_id"]:
            raise _error(404, "GROUP_NOT_FOUND", f"There is no group for {request.path}.")
        if (request.method, found[2]) == ("GET", "backupCompliancePolicy"):
            return 200, {"projectId": found[1], **self.settings["compliance_policy"]}
        words = found[2].split("/")
        if words[0] != "clusters" or len(words) < 2:
            raise _error(404, "RESOURCE_NOT_FOUND", request.path)
        if words[1] not in self.settings["clusters"]:
            raise _error(404, "CLUSTER_NOT_FOUND", f"No cluster named {words[1]} exists in group {found[1]}.")
        return self._of_cluster(request, words[1], words[2:])

    def _of_cluster(self, request, cluster, words):
        match request.method, words:
            case "GET", []:
                enabled = self.settings["backup_enabled"]
                return 200, {"id": "c" * 24, "name": cluster, "groupId": self.settings["group_id"],
                             "clusterType": "SHARDED" if self._is_sharded(cluster) else "REPLICASET",
                             "stateName": "IDLE", "backupEnabled": enabled, "pitEnabled": enabled,
                             "mongoDBVersion": "7.0.14", "connectionStrings": self.settings["connection_strings"]}
            case "GET", ["backup", "schedule"]:
                return 200, self._schedule(cluster)
            case "POST", ["backup", "snapshots"]:
                return 200, self._take_snapshot(cluster, _json(request))
            case "GET", ["backup", "snapshots"] if not self._is_sharded(cluster):
                return 200, self._page(request, [one for one in self.snapshots.values() if one["cluster"] == cluster])
            case "GET", ["backup", "snapshots", "shardedClusters"] if self._is_sharded(cluster):
                return 200, self._page(request, [one for one in self.snapshots.values() if one["cluster"] == cluster])
            case "GET", ["backup", "snapshots", name] if not self._is_sharded(cluster):
                return 200, self._look(self._one(self.snapshots, name, cluster))
            case "GET", ["backup", "snapshots", "shardedCluster", name] if self._is_sharded(cluster):
                return 200, self._look(self._one(self.snapshots, name, cluster))
            case "POST", ["backup", "restoreJobs"]:
                return 200, self._restore(cluster, _json(request))
            case "GET", ["backup", "restoreJobs"]:
                return 200, self._page(
                    request, [one for one in self.restore_jobs.values() if one["cluster"] == cluster])
            case "GET", ["backup", "restoreJobs", name]:
                return 200, self._look(self._one(self.restore_jobs, name, cluster))
        raise _error(404, "RESOURCE_NOT_FOUND", request.path)

    def _is_sharded(self, cluster):
        return cluster in self.settings["sharded"]

    @staticmethod
    def _one(things, name, cluster):
        thing = things.get(name)
        if thing is None or thing["cluster"] != cluster:
            raise _error(404, "RESOURCE_NOT_FOUND", name)
        return thing

    def _schedule(self, cluster):
        item = {"id": "d" * 24, "frequencyType": "daily", "frequencyInterval": 1, "retentionUnit": "days",
                "retentionValue": 7}
        return {"clusterId": "c" * 24, "clusterName": cluster, "policies": [{"id": "e" * 24, "policyItems": [item]}],
                "referenceHourOfDay": 3, "referenceMinuteOfHour": 15, "restoreWindowDays": 7,
                "nextSnapshot": self._date(self.clock.now() + DAY), "autoExportEnabled": False, "copySettings": []}

    @staticmethod
    def _date(seconds):
        return iso_date(seconds)[:19] + "Z"

    def _take_snapshot(self, cluster, body):
        days = body.get("retentionInDays")
        if set(body) - {"description", "retentionInDays"} or not isinstance(days, int) or days < 1:
            raise _error(400, "INVALID_ATTRIBUTE", "description and retentionInDays (at least 1) are expected.")
        if any(one["cluster"] == cluster and self._status(one) in ("queued", "inProgress")
               for one in self.snapshots.values()):
            raise _error(409, "CLUSTER_SNAPSHOT_IN_PROGRESS", "An on-demand snapshot is in progress.")
        now = self.clock.now()
        snapshot = {
            "id": _id(), "cluster": cluster, "looks": 0, "description": body.get("description"),
            "createdAt": self._date(now), "expiresAt": self._date(now + days * DAY), "frequencyType": "ondemand",
            "snapshotType": "onDemand", "type": "shardedCluster" if self._is_sharded(cluster) else "replicaSet",
            "cloudProvider": "AZURE",
            "mongodVersion": "7.0.14", "storageSizeBytes": 1 << 30, "policyItems": [], "links": [],
        }
        self.snapshots[snapshot["id"]] = snapshot
        return self._shown(snapshot)

    def _status(self, thing):
        if thing["looks"] < self.settings["looks_until_done"]:
            return "queued" if thing["looks"] == 0 else "inProgress"
        return "failed" if self.settings["snapshots_fail"] else "completed"

    def _look(self, thing):
        thing["looks"] += 1
        return self._shown(thing)

    def _shown(self, thing):
        shown = {name: value for name, value in thing.items() if name not in ("looks", "cluster")}
        if "deliveryType" not in thing:
            return {**shown, "status": self._status(thing)}
        if self._status(thing) == "completed":
            shown["finishedAt"] = self._date(self.clock.now())
            if thing["deliveryType"] == "download":
                shown["deliveryUrl"] = ["https://restore.example.com/snapshot.tar.gz?token=secret"]
        return {**shown, "failed": self._status(thing) == "failed"}

    def _page(self, request, things):
        query = dict(request.query_pairs)
        size, number = int(query.get("itemsPerPage", 100)), int(query.get("pageNum", 1))
        if not 1 <= size <= PAGE_LIMIT or number < 1:
            raise _error(400, "INVALID_QUERY_PARAMETER", f"itemsPerPage is 1 to {PAGE_LIMIT}, pageNum at least 1.")
        size = min(size, self.settings["page_max"])
        newest_first = sorted(things, key=lambda one: one["createdAt"], reverse=True)
        shown = [self._shown(one) for one in newest_first[size * (number - 1):size * number]]
        links = [{"href": request.path, "rel": "self"}]
        if size * number < len(things):
            links.append({"href": f"{request.path}?pageNum={number + 1}&itemsPerPage={size}", "rel": "next"})
        return {"links": links, "results": shown, "totalCount": len(things)}

    def _restore(self, cluster, body):
        kind = body.get("deliveryType")
        target = {"targetClusterName", "targetGroupId"}
        allowed = {"automated": [{"snapshotId"} | target], "download": [{"snapshotId"}],
                   "pointInTime": [{"pointInTimeUTCSeconds"} | target, {"oplogTs", "oplogInc"} | target]}.get(kind, [])
        if set(body) - {"deliveryType"} not in allowed:
            raise _error(400, "INVALID_ATTRIBUTE", f"deliveryType {kind} goes with {[sorted(one) for one in allowed]}.")
        if not all(isinstance(body.get(name, 0), int)
                   for name in ("pointInTimeUTCSeconds", "oplogTs", "oplogInc")):
            raise _error(400, "INVALID_ATTRIBUTE", "Times are whole numbers.")
        if "snapshotId" in body:
            snapshot = self._one(self.snapshots, body["snapshotId"], cluster)
            if self._status(snapshot) != "completed":
                raise _error(409, "CANNOT_START_RESTORE_JOB_FOR_INCOMPLETE_CLUSTER_SNAPSHOT",
                             "Cannot start restore job for incomplete cluster snapshot.")
        if "targetClusterName" in body and body["targetClusterName"] not in self.settings["clusters"]:
            raise _error(404, "CLUSTER_NOT_FOUND", body["targetClusterName"])
        job = {**body, "id": _id(), "cluster": cluster, "looks": 0, "cancelled": False, "expired": False,
               "createdAt": self._date(self.clock.now()), "links": []}
        self.restore_jobs[job["id"]] = job
        return self._shown(job)


def _json(request):
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _error(400, "INVALID_JSON", "Received JSON is malformed.")
    return body
