"""Operations that read a blob: Get Blob, Get Blob Properties, Get Blob Metadata, Get Block List."""

import base64
import re
from xml.sax.saxutils import escape

import checksums
import conditions
from clock import http_date
from errors import ServiceError
from wire import Response

# Above this the checksum of a range is refused: get-blob, x-ms-range-get-content-md5.
RANGE_CHECKSUM_LIMIT = 4 << 20


def property_headers(revision, entry):
    """What Get Blob and Get Blob Properties say of a revision."""
    fields = {
        "ETag": revision.etag, "Last-Modified": http_date(revision.last_modified), "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob", "x-ms-creation-time": http_date(revision.created),
        "x-ms-server-encrypted": "true",
    }
    given = revision.properties
    for name in ("Content-Type", "Content-Encoding", "Content-Language", "Cache-Control", "Content-Disposition",
                 "Content-MD5"):
        fields[name] = given.get(name.lower())
    fields.update({f"x-ms-meta-{name}": value for name, value in revision.metadata.items()})
    fields.update(revision.copy)
    fields.update(_tier_headers(revision))
    fields.update(_version_headers(revision, entry))
    if revision is entry.current:
        fields.update(entry.lease.headers())
    return fields


def _tier_headers(revision):
    fields = {"x-ms-access-tier": revision.tier}
    if revision.tier_inferred:
        fields["x-ms-access-tier-inferred"] = "true"
    if revision.tier_changed is not None:
        fields["x-ms-access-tier-change-time"] = http_date(revision.tier_changed)
    if revision.rehydration is not None:
        fields["x-ms-archive-status"] = f"rehydrate-pending-to-{revision.rehydration[1].lower()}"
        fields["x-ms-rehydrate-priority"] = revision.rehydration[2]
    return fields


def _version_headers(revision, entry):
    fields = {}
    if revision.version_id is not None:
        fields["x-ms-version-id"] = revision.version_id
        if revision is entry.current:
            fields["x-ms-is-current-version"] = "true"
    if revision.policy.until is not None:
        fields["x-ms-immutability-policy-until-date"] = http_date(revision.policy.until)
        fields["x-ms-immutability-policy-mode"] = revision.policy.mode
    if revision.policy.legal_hold:
        fields["x-ms-legal-hold"] = "true"
    return fields


def _find(call):
    query, headers = call.request.query, call.request.headers
    entry, revision = call.account.find(call.place, query.get("versionid"), query.get("snapshot"))
    conditions.check_read(headers, revision)
    entry.lease.check_read(headers.get("x-ms-lease-id"))
    return entry, revision


def get_blob(call):
    """The bytes of a blob or of one range of it."""
    entry, revision = _find(call)
    revision.check_online()
    headers = property_headers(revision, entry)
    for field, name in (("rsct", "Content-Type"), ("rscc", "Cache-Control"), ("rscd", "Content-Disposition"),
                        ("rsce", "Content-Encoding"), ("rscl", "Content-Language")):
        if field in call.request.query:
            headers[name] = call.request.query[field]
    wanted = call.request.headers.get("x-ms-range") or call.request.headers.get("range")
    size = revision.content.size
    span = _span(wanted, size)
    if span is None:
        return Response(200, headers, revision.content.slice(0, size))
    start, end = span
    parts = revision.content.slice(start, end)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    # Content-MD5 is the checksum of what is sent; that of the whole blob has a name of its own.
    headers["x-ms-blob-content-md5"] = headers.pop("Content-MD5")
    headers.update(_range_checksums(call.request.headers, parts, end - start))
    return Response(206, headers, parts)


def _range_checksums(asked, parts, size):
    fields = {}
    for name, field, compute in (
            ("x-ms-range-get-content-md5", "Content-MD5", checksums.md5_base64),
            ("x-ms-range-get-content-crc64", "x-ms-content-crc64", checksums.crc64_base64)):
        if asked.get(name, "").lower() != "true":
            continue
        if size > RANGE_CHECKSUM_LIMIT:
            raise ServiceError("OutOfRangeInput", HeaderName=name)
        fields[field] = compute(parts)
    return fields


def _span(text, size):
    """Start and end of a range, None for the whole blob."""
    if text is None:
        return None
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", text.strip())
    if not found:
        # The service has no ranges from the end; what it does not understand it passes over.
        return None
    start = int(found[1])
    end = min(size, int(found[2]) + 1) if found[2] else size
    if start >= size or end <= start:
        raise ServiceError("InvalidRange", headers={"Content-Range": f"bytes */{size}"})
    return start, end


def get_properties(call):
    """All that is known of a blob but its bytes."""
    entry, revision = _find(call)
    headers = property_headers(revision, entry)
    headers["Content-Length"] = str(revision.content.size)
    return Response(200, headers)


def get_metadata(call):
    """The blob's own names and values."""
    _, revision = _find(call)
    headers = {"ETag": revision.etag, "Last-Modified": http_date(revision.last_modified)}
    headers.update({f"x-ms-meta-{name}": value for name, value in revision.metadata.items()})
    return Response(200, headers)


def get_block_list(call):
    """The blocks that make the blob, and those that wait to."""
    kind = call.request.query.get("blocklisttype", "committed").lower()
    if kind not in ("committed", "uncommitted", "all"):
        raise ServiceError("InvalidQueryParameterValue", QueryParameterName="blocklisttype")
    entry = call.account.container(call.place.container).entries.get(call.place.blob)
    if entry is None or (entry.current is None and not entry.uncommitted):
        raise ServiceError("BlobNotFound")
    entry.lease.check_read(call.request.headers.get("x-ms-lease-id"))
    text = ""
    if kind in ("committed", "all"):
        text += _block_elements("CommittedBlocks", entry.current.blocks if entry.current else [])
    if kind in ("uncommitted", "all"):
        text += _block_elements("UncommittedBlocks", sorted(entry.uncommitted.items()))
    headers = {"Content-Type": "application/xml"}
    if entry.current is not None:
        headers["ETag"] = entry.current.etag
        headers["Last-Modified"] = http_date(entry.current.last_modified)
        headers["x-ms-blob-content-length"] = str(entry.current.content.size)
    document = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{text}</BlockList>'
    return Response(200, headers, document.encode())


def _block_elements(element, blocks):
    rows = "".join(
        f"<Block><Name>{escape(base64.b64encode(name).decode())}</Name><Size>{len(data)}</Size></Block>"
        for name, data in blocks)
    return f"<{element}>{rows}</{element}>"
