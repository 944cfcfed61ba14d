"""Operations that make a blob: Put Blob, Put Block, Put Block List, Copy Blob."""

import base64
import binascii
import re
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree

import checksums
import conditions
from blobs import Content, Policy, Revision, tier_named
from clock import http_date, parse_http_date
from errors import ServiceError
from operations import place_of
from wire import Response

BLOCKS_LIMIT = 50_000
UNCOMMITTED_LIMIT = 100_000
BLOCK_LIMIT = 4000 << 20
BLOCK_ID_LIMIT = 64
METADATA_LIMIT = 8192
STANDARD_PROPERTIES = ("content-type", "content-encoding", "content-language", "cache-control", "content-disposition")


def metadata_of(headers):
    """The x-ms-meta- fields; their names must be identifiers: naming-and-referencing-metadata."""
    metadata = headers.starting_with("x-ms-meta-")
    for name, value in metadata.items():
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) or not value.isprintable():
            raise ServiceError("InvalidMetadata")
    if sum(len(name) + len(value) for name, value in metadata.items()) > METADATA_LIMIT:
        raise ServiceError("InvalidMetadata")
    return metadata


def _md5_header(headers, name):
    text = headers.get(name)
    if text is None:
        return None
    try:
        if len(base64.b64decode(text, validate=True)) == 16:
            return text
    except binascii.Error:
        pass
    raise ServiceError("InvalidMd5")


def _receive(call, limit):
    """The request's body, with both checksums verified where they were sent; returns it and its MD5 if that is known.
    """
    headers = call.request.headers
    size = call.request.content_length
    if size is None and not call.request.is_chunked:
        raise ServiceError("MissingContentLengthHeader")
    if size is not None and size > limit:
        raise ServiceError("RequestBodyTooLarge", MaxLimit=str(limit))
    md5 = _md5_header(headers, "content-md5")
    body, computed = call.receive(md5 is not None or call.operation.name == "PutBlob")
    if md5 is not None and md5 != computed:
        raise ServiceError("Md5Mismatch", UserSpecifiedMd5=md5, ServerCalculatedMd5=computed)
    fields = {} if md5 is None else {"Content-MD5": computed}
    crc64 = headers.get("x-ms-content-crc64")
    if crc64 is not None:
        found = checksums.crc64_base64([body])
        if found != crc64:
            raise ServiceError("Crc64Mismatch", UserSpecifiedCrc64=crc64, ServerCalculatedCrc64=found)
        fields["x-ms-content-crc64"] = found
    return body, computed, fields


def _properties(headers, with_plain_names):
    """The standard properties that a write sets: x-ms-blob-content-type and so on, in Put Blob also without prefix."""
    properties = {}
    for name in STANDARD_PROPERTIES:
        value = headers.get(f"x-ms-blob-{name}")
        if value is None and with_plain_names:
            value = headers.get(name)
        if value is not None:
            properties[name] = value
    properties.setdefault("content-type", "application/octet-stream")
    return properties


def _new_revision(call, content, with_plain_names):
    """A revision as the headers of a write describe it."""
    headers = call.request.headers
    now = call.account.clock.now()
    wanted = headers.get("x-ms-access-tier")
    tier = None if wanted is None else tier_named(wanted)
    revision = Revision(
        content, created=now, last_modified=now, properties=_properties(headers, with_plain_names),
        metadata=metadata_of(headers), tier=tier or "Hot", tier_inferred=tier is None, policy=policy_of(headers, now))
    revision.tier_changed = None if tier is None else now
    md5 = _md5_header(headers, "x-ms-blob-content-md5")
    if md5 is not None:
        revision.properties["content-md5"] = md5
    return revision


def policy_of(headers, now):
    """The immutability policy and legal hold that a write asks for."""
    policy = Policy(legal_hold=headers.get("x-ms-legal-hold", "").lower() == "true")
    text = headers.get("x-ms-immutability-policy-until-date")
    if text is not None:
        policy.until = parse_http_date(text)
        policy.mode = headers.get("x-ms-immutability-policy-mode", "unlocked").lower()
        if policy.until is None or policy.until <= now or policy.mode not in ("unlocked", "locked"):
            raise ServiceError("InvalidHeaderValue", HeaderName="x-ms-immutability-policy-until-date")
    return policy


def _check_write(call):
    """All that may refuse the writing of a whole blob."""
    headers = call.request.headers
    current = call.account.current(call.place)
    conditions.check_write(headers, current)
    if current is not None:
        # `create` alone is for what is not there yet.
        call.grant.require(call.operation.permissions, otherwise="UnauthorizedBlobOverwrite")
    entry = call.account.container(call.place.container).entries.get(call.place.blob)
    if entry is not None:
        entry.lease.check_write(headers.get("x-ms-lease-id"))
    call.account.check_replaceable(call.place)


def _install(call, revision, status, fields):
    before = call.account.current(call.place)
    if before is not None and not call.account.versioning:
        revision.created = before.created
    call.account.install(call.place, revision)
    headers = {
        "ETag": revision.etag, "Last-Modified": http_date(revision.last_modified),
        "x-ms-request-server-encrypted": "true", "x-ms-version-id": revision.version_id, **fields,
    }
    return Response(status, headers)


def put_blob(call):
    """A whole blob in one request."""
    headers = call.request.headers
    kind = headers.get("x-ms-blob-type")
    if kind is None:
        raise ServiceError("MissingRequiredHeader", HeaderName="x-ms-blob-type")
    if kind != "BlockBlob":
        raise ServiceError("NotImplemented", detail=f"x-ms-blob-type {kind}")
    body, md5, fields = _receive(call, call.settings.single_max)
    with call.account.lock:
        _check_write(call)
        revision = _new_revision(call, Content([body]), with_plain_names=True)
        stated = revision.properties.setdefault("content-md5", md5)
        if stated != md5:
            raise ServiceError("Md5Mismatch", UserSpecifiedMd5=stated, ServerCalculatedMd5=md5)
        return _install(call, revision, 201, fields)


def _block_id(call):
    try:
        name = base64.b64decode(call.request.query["blockid"], validate=True)
    except KeyError:
        raise ServiceError("MissingRequiredQueryParameter", QueryParameterName="blockid") from None
    except binascii.Error:
        raise ServiceError("InvalidQueryParameterValue", QueryParameterName="blockid") from None
    if not 0 < len(name) <= BLOCK_ID_LIMIT:
        raise ServiceError("InvalidQueryParameterValue", QueryParameterName="blockid")
    return name


def put_block(call):
    """A part that waits for Put Block List."""
    name = _block_id(call)
    body, _, fields = _receive(call, BLOCK_LIMIT)
    with call.account.lock:
        entry = call.account.container(call.place.container).entry(call.place.blob, call.account.clock)
        try:
            _check_block(call, entry, name)
            entry.uncommitted[name] = body
        finally:
            call.account.container(call.place.container).tidy(call.place.blob)
    return Response(201, {"x-ms-request-server-encrypted": "true", **fields})


def _check_block(call, entry, name):
    entry.lease.check_write(call.request.headers.get("x-ms-lease-id"))
    call.account.check_replaceable(call.place)
    known = next(iter(entry.uncommitted), None)
    if known is not None and len(known) != len(name):
        raise ServiceError("InvalidBlobOrBlock")
    if name not in entry.uncommitted and len(entry.uncommitted) >= UNCOMMITTED_LIMIT:
        raise ServiceError("BlockCountExceedsLimit")


def put_block_list(call):
    """Makes the blob of the blocks that the body names, in that order."""
    body, _, fields = _receive(call, 64 << 20)
    wanted = _parse_block_list(bytes(body))
    with call.account.lock:
        _check_write(call)
        entry = call.account.container(call.place.container).entries.get(call.place.blob)
        blocks = [_block(entry, kind, name) for kind, name in wanted]
        revision = _new_revision(call, Content([data for _, data in blocks]), with_plain_names=False)
        revision.blocks = blocks
        return _install(call, revision, 201, fields)


def _parse_block_list(body):
    try:
        root = ElementTree.fromstring(body)
        wanted = [(item.tag, base64.b64decode((item.text or "").strip(), validate=True)) for item in root]
    except (ElementTree.ParseError, binascii.Error):
        raise ServiceError("InvalidXmlDocument") from None
    if root.tag != "BlockList" or any(kind not in ("Latest", "Committed", "Uncommitted") for kind, _ in wanted):
        raise ServiceError("InvalidXmlDocument")
    if len(wanted) > BLOCKS_LIMIT:
        raise ServiceError("BlockListTooLong")
    return wanted


def _block(entry, kind, name):
    committed = dict(entry.current.blocks) if entry is not None and entry.current is not None else {}
    uncommitted = entry.uncommitted if entry is not None else {}
    data = uncommitted.get(name) if kind != "Committed" else None
    if data is None and kind != "Uncommitted":
        data = committed.get(name)
    if data is None:
        raise ServiceError("InvalidBlockList")
    return name, data


def copy_blob(call):
    """A copy of a blob of this account; the service does it at once where both are in one account."""
    headers = call.request.headers
    source = urllib.parse.urlsplit(headers.get("x-ms-copy-source"))
    place = place_of(source.path)
    if place.kind != "blob":
        raise ServiceError("InvalidHeaderValue", HeaderName="x-ms-copy-source")
    query = {name.lower(): value for name, value in urllib.parse.parse_qsl(source.query)}
    call.authorize_source(place, query)
    with call.account.lock:
        _, original = call.account.find(place, query.get("versionid"), query.get("snapshot"))
        original.check_online()
        _check_write(call)
        revision = _new_revision(call, original.content, with_plain_names=False)
        revision.properties = dict(original.properties)
        revision.metadata = revision.metadata or dict(original.metadata)
        revision.blocks = list(original.blocks)
        revision.copy = {
            "x-ms-copy-id": str(uuid.uuid4()), "x-ms-copy-status": "success",
            "x-ms-copy-source": headers.get("x-ms-copy-source").partition("?")[0],
            "x-ms-copy-progress": f"{original.content.size}/{original.content.size}",
            "x-ms-copy-completion-time": http_date(call.account.clock.now()),
        }
        fields = {name: revision.copy[name] for name in ("x-ms-copy-id", "x-ms-copy-status")}
        return _install(call, revision, 202, fields)
