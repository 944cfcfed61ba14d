"""Which operation of the REST API a request is, and what each needs: the table of the documentation, as data."""

import dataclasses
import urllib.parse

from errors import ServiceError


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation and the permissions that allow it.

    `permissions`: letters of a shared access signature, any one of which is enough. `creates` are letters that are
    enough as long as nothing is replaced. `level`: the resource type that an account SAS must name (srt).
    """

    name: str
    level: str
    permissions: str
    creates: str = ""


# (what the path names, method, comp, restype) -> operation. Permissions: create-account-sas and create-service-sas,
# "permissions by operation".
TABLE = {
    ("service", "GET", "list", None): Operation("ListContainers", "s", "l"),
    ("service", "GET", "properties", "account"): Operation("GetAccountInformation", "sco", "rwdlacupi"),
    ("service", "GET", "properties", "service"): Operation("GetServiceProperties", "s", "r"),
    ("container", "PUT", None, "container"): Operation("CreateContainer", "c", "cw"),
    ("container", "DELETE", None, "container"): Operation("DeleteContainer", "c", "d"),
    ("container", "GET", None, "container"): Operation("GetContainerProperties", "c", "r"),
    ("container", "HEAD", None, "container"): Operation("GetContainerProperties", "c", "r"),
    ("container", "GET", "list", "container"): Operation("ListBlobs", "c", "l"),
    ("blob", "PUT", None, None): Operation("PutBlob", "o", "w", "c"),
    ("blob", "PUT", "block", None): Operation("PutBlock", "o", "w"),
    ("blob", "PUT", "blocklist", None): Operation("PutBlockList", "o", "w"),
    ("blob", "GET", "blocklist", None): Operation("GetBlockList", "o", "r"),
    ("blob", "GET", None, None): Operation("GetBlob", "o", "r"),
    ("blob", "HEAD", None, None): Operation("GetBlobProperties", "o", "r"),
    ("blob", "GET", "metadata", None): Operation("GetBlobMetadata", "o", "r"),
    ("blob", "HEAD", "metadata", None): Operation("GetBlobMetadata", "o", "r"),
    ("blob", "PUT", "metadata", None): Operation("SetBlobMetadata", "o", "w"),
    ("blob", "PUT", "properties", None): Operation("SetBlobProperties", "o", "w"),
    ("blob", "PUT", "tier", None): Operation("SetBlobTier", "o", "w"),
    ("blob", "DELETE", None, None): Operation("DeleteBlob", "o", "d"),
    ("blob", "PUT", "undelete", None): Operation("UndeleteBlob", "o", "w"),
    ("blob", "PUT", "lease", None): Operation("LeaseBlob", "o", "w"),
    ("blob", "PUT", "snapshot", None): Operation("SnapshotBlob", "o", "wc"),
    ("blob", "PUT", "immutabilitypolicies", None): Operation("SetImmutabilityPolicy", "o", "i"),
    ("blob", "DELETE", "immutabilitypolicies", None): Operation("DeleteImmutabilityPolicy", "o", "i"),
    ("blob", "PUT", "legalhold", None): Operation("SetLegalHold", "o", "i"),
}
COPY = Operation("CopyBlob", "o", "w", "c")
DELETE_VERSION = Operation("DeleteBlob", "o", "x")


@dataclasses.dataclass(frozen=True)
class Place:
    """What a path names: the account, one of its containers, one blob in it."""

    account: str
    container: str | None = None
    blob: str | None = None

    @property
    def kind(self):
        """`service`, `container` or `blob`."""
        if self.container is None:
            return "service"
        return "container" if self.blob is None else "blob"


def place_of(raw_path):
    """Takes a path-style URL apart: /ACCOUNT/CONTAINER/BLOB, where the blob's name may hold further slashes."""
    account, _, rest = raw_path.removeprefix("/").partition("/")
    container, _, blob = rest.partition("/")
    try:
        names = [urllib.parse.unquote(name, errors="strict") for name in (account, container, blob)]
    except UnicodeDecodeError:
        raise ServiceError("InvalidUri") from None
    return Place(names[0], names[1] or None, names[2] or None)


def operation_of(place, request):
    """The operation that `request` asks for."""
    comp = request.query.get("comp")
    restype = request.query.get("restype")
    key = (place.kind, request.method, comp and comp.lower(), restype and restype.lower())
    operation = TABLE.get(key)
    if operation is None:
        raise ServiceError("NotImplemented", detail=f"{request.method} {place.kind} comp={comp} restype={restype}")
    if operation.name == "PutBlob" and "x-ms-copy-source" in request.headers:
        return COPY
    if operation.name == "DeleteBlob" and "versionid" in request.query:
        return DELETE_VERSION
    return operation
