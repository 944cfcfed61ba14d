"""Operations that change what is said of a blob or container, and that remove them."""

import re

import conditions
import writes
from blobs import Container, tier_named
from clock import http_date, parse_http_date
from errors import ServiceError
from wire import Response

# naming-and-referencing-containers--blobs--and-metadata: 3 to 63 characters, no hyphen at an end or beside another.
CONTAINER_NAME = re.compile("(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")


def _stamp(thing):
    return {"ETag": thing.etag, "Last-Modified": http_date(thing.last_modified)}


def create_container(call):
    """An empty container."""
    name = call.place.container
    if not CONTAINER_NAME.fullmatch(name):
        raise ServiceError("InvalidResourceName")
    if name in call.account.containers:
        raise ServiceError("ContainerAlreadyExists")
    container = Container(name, call.account.clock.now(), writes.metadata_of(call.request.headers))
    call.account.containers[name] = container
    return Response(201, _stamp(container))


def delete_container(call):
    """The container and all in it, but for what must stay."""
    container = call.account.container(call.place.container)
    for entry in container.entries.values():
        for revision in [entry.current, *entry.versions, *entry.snapshots]:
            if revision is not None:
                revision.policy.check(call.account.clock.now())
    del call.account.containers[container.name]
    return Response(202)


def get_container(call):
    """A container's properties."""
    container = call.account.container(call.place.container)
    fields = {f"x-ms-meta-{name}": value for name, value in container.metadata.items()}
    fields.update({
        "x-ms-lease-status": "unlocked", "x-ms-lease-state": "available", "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false", "x-ms-immutable-storage-with-versioning-enabled": "true"})
    return Response(200, _stamp(container) | fields)


def get_account(_call):
    """What kind of account this is."""
    return Response(200, {"x-ms-sku-name": "Standard_LRS", "x-ms-account-kind": "StorageV2",
                          "x-ms-is-hns-enabled": "false"})


def get_service_properties(call):
    """Soft deletion, as the service tells it; the rest of the document is left out."""
    days = call.account.soft_delete_days
    policy = "<Enabled>false</Enabled>" if days is None else f"<Enabled>true</Enabled><Days>{days}</Days>"
    text = ('<?xml version="1.0" encoding="utf-8"?><StorageServiceProperties>'
            f"<DeleteRetentionPolicy>{policy}</DeleteRetentionPolicy></StorageServiceProperties>")
    return Response(200, {"Content-Type": "application/xml"}, text.encode())


def _find(call):
    query = call.request.query
    return call.account.find(call.place, query.get("versionid"), query.get("snapshot"))


def _find_for_change(call):
    """The current revision, with the lease and the conditions checked."""
    entry, revision = call.account.find(call.place)
    conditions.check_write(call.request.headers, revision)
    entry.lease.check_write(call.request.headers.get("x-ms-lease-id"))
    return entry, revision


def set_metadata(call):
    """Replaces all metadata."""
    _, revision = _find_for_change(call)
    call.account.check_replaceable(call.place)
    revision.metadata = writes.metadata_of(call.request.headers)
    revision.touched(call.account.clock.now())
    return Response(200, _stamp(revision) | {"x-ms-request-server-encrypted": "true"})


def set_properties(call):
    """Replaces the standard properties: what is not sent is cleared."""
    _, revision = _find_for_change(call)
    call.account.check_replaceable(call.place)
    headers = call.request.headers
    names = (*writes.STANDARD_PROPERTIES, "content-md5")
    sent = {name: headers.get(f"x-ms-blob-{name}") for name in names}
    revision.properties = {name: value for name, value in sent.items() if value is not None}
    revision.touched(call.account.clock.now())
    return Response(200, _stamp(revision))


def set_tier(call):
    """Another tier: at once, or, out of the archive, when rehydration is over."""
    headers = call.request.headers
    entry, revision = _find(call)
    entry.lease.check_read(headers.get("x-ms-lease-id"))
    tier = headers.get("x-ms-access-tier")
    if tier is None:
        raise ServiceError("MissingRequiredHeader", HeaderName="x-ms-access-tier")
    priority = headers.get("x-ms-rehydrate-priority", "Standard")
    return Response(202 if revision.set_tier(tier_named(tier), priority, call.account.clock.now()) else 200)


def delete_blob(call):
    """A blob, one of its versions or one of its snapshots."""
    headers, query = call.request.headers, call.request.query
    entry, revision = _find(call)
    conditions.check_write(headers, revision)
    if "versionid" in query or "snapshot" in query:
        call.account.delete_revision(call.place, entry, revision)
        return Response(202)
    entry.lease.check_write(headers.get("x-ms-lease-id"))
    with_snapshots = headers.get("x-ms-delete-snapshots")
    if with_snapshots not in (None, "include", "only"):
        raise ServiceError("InvalidHeaderValue", HeaderName="x-ms-delete-snapshots")
    call.account.delete_current(call.place, entry, with_snapshots)
    permanent = "true" if call.account.soft_delete_days is None else "false"
    return Response(202, {"x-ms-delete-type-permanent": permanent})


def undelete_blob(call):
    """What was deleted softly."""
    call.account.undelete(call.place)
    return Response(200)


def snapshot_blob(call):
    """A copy of now that stays."""
    entry, revision = call.account.find(call.place)
    conditions.check_write(call.request.headers, revision)
    entry.lease.check_read(call.request.headers.get("x-ms-lease-id"))
    revision.check_online()
    copy = call.account.snapshot(entry)
    return Response(201, _stamp(copy) | {"x-ms-snapshot": copy.snapshot})


def set_policy(call):
    """How long the blob must stay: a locked time may only grow, and a locked policy never opens again."""
    headers = call.request.headers
    _, revision = _find(call)
    now = call.account.clock.now()
    policy = writes.policy_of(headers, now)
    if policy.until is None:
        raise ServiceError("MissingRequiredHeader", HeaderName="x-ms-immutability-policy-until-date")
    since = headers.get("if-unmodified-since")
    if since is not None and int(revision.last_modified) > (parse_http_date(since) or 0):
        raise ServiceError("ConditionNotMet")
    known = revision.policy
    if known.until is not None and known.mode == "locked" and (policy.mode != "locked" or policy.until < known.until):
        raise ServiceError("BlobImmutableDueToPolicy")
    known.until, known.mode = policy.until, policy.mode
    return Response(200, {"x-ms-immutability-policy-until-date": http_date(policy.until),
                          "x-ms-immutability-policy-mode": policy.mode})


def delete_policy(call):
    """Takes an unlocked policy away."""
    _, revision = _find(call)
    if revision.policy.until is not None and revision.policy.mode == "locked":
        raise ServiceError("BlobImmutableDueToPolicy")
    revision.policy.until = None
    return Response(200)


def set_legal_hold(call):
    """A hold without an end, until it is taken away."""
    _, revision = _find(call)
    text = call.request.headers.get("x-ms-legal-hold", "").lower()
    if text not in ("true", "false"):
        raise ServiceError("InvalidHeaderValue", HeaderName="x-ms-legal-hold")
    revision.policy.legal_hold = text == "true"
    return Response(200, {"x-ms-legal-hold": text})


def _number(headers, name):
    text = headers.get(name)
    if text is None:
        return None
    if not text.removeprefix("-").isdigit():
        raise ServiceError("InvalidHeaderValue", HeaderName=name)
    return int(text)


def lease_blob(call):
    """Acquires, renews, changes, releases or breaks the lease."""
    headers = call.request.headers
    entry, revision = call.account.find(call.place)
    conditions.check_write(headers, revision)
    lease, given, proposed = entry.lease, headers.get("x-ms-lease-id"), headers.get("x-ms-proposed-lease-id")
    stamp = _stamp(revision)
    match headers.get("x-ms-lease-action", "").lower():
        case "acquire":
            duration = _number(headers, "x-ms-lease-duration")
            if duration is None:
                raise ServiceError("MissingRequiredHeader", HeaderName="x-ms-lease-duration")
            return Response(201, stamp | {"x-ms-lease-id": lease.acquire(duration, proposed)})
        case "renew":
            return Response(200, stamp | {"x-ms-lease-id": lease.renew(given)})
        case "change":
            return Response(200, stamp | {"x-ms-lease-id": lease.change(given, proposed)})
        case "release":
            lease.release(given)
            return Response(200, stamp)
        case "break":
            left = lease.break_(_number(headers, "x-ms-lease-break-period"))
            return Response(202, stamp | {"x-ms-lease-time": str(left)})
    raise ServiceError("InvalidHeaderValue", HeaderName="x-ms-lease-action")
