"""List Blobs and List Containers: learn.microsoft.com/rest/api/storageservices/list-blobs."""

import base64
import bisect
import itertools
import json
import re
import urllib.parse
from xml.sax.saxutils import escape, quoteattr

from blobs import DAY
from clock import http_date
from errors import ServiceError
from wire import Response

PAGE_LIMIT = 5000
# What XML 1.0 cannot hold; such a name is sent percent-encoded and marked so.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Elements of properties that a client sets, and their names in `Revision.properties`.
STANDARD = [(name, name.lower()) for name in (
    "Content-Type", "Content-Encoding", "Content-Language", "Content-MD5", "Cache-Control", "Content-Disposition")]
INCLUDES = {
    "metadata", "snapshots", "versions", "deleted", "uncommittedblobs", "copy", "tags", "immutabilitypolicy",
    "legalhold", "deletedwithversions",
}


def list_blobs(call):
    """A page of a container's blobs in the order of their names."""
    query = call.request.query
    container = call.account.container(call.place.container)
    call.account.expire(call.place.container)
    include = _includes(query.get("include", ""))
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = _limit(query)
    rows = _rows(container, prefix, delimiter, include, _read_marker(query.get("marker")), call.account.clock.now())
    page = list(itertools.islice(rows, limit + 1))
    marker = _write_marker(page[limit][:2]) if len(page) > limit else ""
    now = call.account.clock.now()
    write = _Writer(call, include, now)
    body = "".join(write.row(*row) for row in page[:limit])
    name = quoteattr(container.name)
    return _document(call, f" ContainerName={name}", "Blobs", body, marker)


def list_containers(call):
    """A page of the account's containers."""
    query = call.request.query
    prefix, (start, _) = query.get("prefix", ""), _read_marker(query.get("marker"))
    limit = _limit(query)
    names = sorted(name for name in call.account.containers if name.startswith(prefix) and name >= start)
    marker = _write_marker((names[limit], 0)) if len(names) > limit else ""
    body = "".join(_container(call.account.containers[name]) for name in names[:limit])
    return _document(call, "", "Containers", body, marker)


def _document(call, attribute, element, body, marker):
    query = call.request.query
    asked = "".join(
        f"<{name}>{escape(query[name.lower()])}</{name}>"
        for name in ("Prefix", "Marker", "MaxResults", "Delimiter") if name.lower() in query)
    endpoint = quoteattr(f"{call.endpoint}/{call.account_name}/")
    text = (f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint={endpoint}{attribute}>'
            f"{asked}<{element}>{body}</{element}><NextMarker>{marker}</NextMarker></EnumerationResults>")
    return Response(200, {"Content-Type": "application/xml"}, text.encode("utf-8", errors="surrogatepass"))


def _container(container):
    metadata = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in container.metadata.items())
    return (f"<Container><Name>{container.name}</Name><Properties>"
            f"<Last-Modified>{http_date(container.last_modified)}</Last-Modified><Etag>{container.etag}</Etag>"
            "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState></Properties>"
            f"<Metadata>{metadata}</Metadata></Container>")


def _includes(text):
    include = {one for one in text.lower().split(",") if one}
    if include - INCLUDES:
        raise ServiceError("InvalidQueryParameterValue", QueryParameterName="include", QueryParameterValue=text)
    return include


def _limit(query):
    text = query.get("maxresults", str(PAGE_LIMIT))
    if not text.isdigit() or int(text) == 0:
        raise ServiceError("InvalidQueryParameterValue", QueryParameterName="maxresults", QueryParameterValue=text)
    return min(int(text), PAGE_LIMIT)


def _write_marker(position):
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _read_marker(text):
    """The name and the row under it where the page begins."""
    if not text:
        return "", 0
    try:
        name, row = json.loads(base64.urlsafe_b64decode(text))
    except ValueError:
        raise ServiceError("InvalidQueryParameterValue", QueryParameterName="marker") from None
    return name, row


def _rows(container, prefix, delimiter, include, begin, now):
    """(name, number under that name, revision or uncommitted entry or None for a prefix), from `begin` on."""
    names = container.names
    index = bisect.bisect_left(names, max(prefix, begin[0]))
    while index < len(names) and names[index].startswith(prefix):
        name = names[index]
        end = name.find(delimiter, len(prefix)) if delimiter else -1
        if end < 0:
            for number, (kind, revision) in enumerate(_revisions(container.entries[name], include, now)):
                if (name, number) >= begin:
                    yield name, number, kind, revision, container.entries[name]
            index += 1
            continue
        common = name[:end + len(delimiter)]
        after = bisect.bisect_left(names, True, lo=index, key=lambda other: not other.startswith(common))
        # A prefix is listed where at least one of its blobs would be.
        if any(True for other in names[index:after] for _ in _revisions(container.entries[other], include, now)):
            yield common, 0, "prefix", None, None
        index = after


def _revisions(entry, include, now):
    """What is listed under one name, the current revision last, as the service does."""
    found = []
    if "snapshots" in include:
        found += [("snapshot", one) for one in entry.snapshots]
    if "versions" in include:
        found += [("version", one) for one in entry.versions]
    if "deleted" in include:
        wanted = [one for one in entry.deleted if _shows_deleted(one, include)]
        found += [("deleted", one) for one in wanted]
    found.sort(key=lambda pair: pair[1].snapshot or pair[1].version_id or "")
    if entry.current is not None:
        entry.current.settle(now)
        found.append(("current", entry.current))
    elif entry.uncommitted and "uncommittedblobs" in include:
        found.append(("uncommitted", None))
    return found


def _shows_deleted(revision, include):
    if revision.snapshot is not None:
        return "snapshots" in include
    return revision.version_id is None or "versions" in include


class _Writer:
    """Writes rows as XML."""

    def __init__(self, call, include, now):
        self.include = include
        self.now = now
        self.days = call.account.soft_delete_days

    def row(self, name, _number, kind, revision, entry):
        """One element of <Blobs>."""
        if kind == "prefix":
            return f"<BlobPrefix>{_name(name)}</BlobPrefix>"
        if kind == "uncommitted":
            return (f"<Blob>{_name(name)}<Properties><Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType>"
                    "</Properties></Blob>")
        more = self._more(kind, revision)
        properties = self._properties(kind, revision, entry)
        metadata = ""
        if "metadata" in self.include:
            pairs = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in revision.metadata.items())
            metadata = f"<Metadata>{pairs}</Metadata>"
        return f"<Blob>{_name(name)}{more}<Properties>{properties}</Properties>{metadata}</Blob>"

    def _more(self, kind, revision):
        text = "<Deleted>true</Deleted>" if kind == "deleted" else ""
        if revision.snapshot is not None:
            text += f"<Snapshot>{revision.snapshot}</Snapshot>"
        if revision.version_id is not None:
            text += f"<VersionId>{revision.version_id}</VersionId>"
            if kind == "current":
                text += "<IsCurrentVersion>true</IsCurrentVersion>"
        return text

    def _properties(self, kind, revision, entry):
        # Text of one piece, as far as it is the same for all: a repository has a hundred thousand of these.
        text = (f"<Creation-Time>{http_date(revision.created)}</Creation-Time>"
                f"<Last-Modified>{http_date(revision.last_modified)}</Last-Modified><Etag>{revision.etag[1:-1]}</Etag>"
                f"<Content-Length>{revision.content.size}</Content-Length>{_elements(_standard(revision.properties))}"
                f"<BlobType>BlockBlob</BlobType><AccessTier>{revision.tier}</AccessTier>"
                "<ServerEncrypted>true</ServerEncrypted>")
        if kind == "current":
            status = "locked" if entry.lease.is_locked else "unlocked"
            text += f"<LeaseStatus>{status}</LeaseStatus><LeaseState>{entry.lease.state}</LeaseState>"
        return text + _elements(self._states(revision) + self._policy(revision.policy))

    def _states(self, revision):
        fields = []
        if revision.tier_inferred:
            fields.append(("AccessTierInferred", "true"))
        if revision.tier_changed is not None:
            fields.append(("AccessTierChangeTime", http_date(revision.tier_changed)))
        if revision.rehydration is not None:
            fields += [("ArchiveStatus", f"rehydrate-pending-to-{revision.rehydration[1].lower()}"),
                       ("RehydratePriority", revision.rehydration[2])]
        if revision.deleted_at is not None:
            left = (self.days or 0) - (self.now - revision.deleted_at) / DAY
            fields += [("DeletedTime", http_date(revision.deleted_at)), ("RemainingRetentionDays", max(0, int(left)))]
        return fields

    def _policy(self, policy):
        fields = []
        if "immutabilitypolicy" in self.include and policy.until is not None:
            fields += [("ImmutabilityPolicyUntilDate", http_date(policy.until)),
                       ("ImmutabilityPolicyMode", policy.mode)]
        if "legalhold" in self.include and policy.legal_hold:
            fields.append(("LegalHold", "true"))
        return fields


def _standard(given):
    return [(name, given.get(key)) for name, key in STANDARD]


def _elements(fields):
    return "".join([
        f"<{name} />" if value is None else f"<{name}>{escape(str(value))}</{name}>" for name, value in fields])


def _name(name):
    if NOT_XML.search(name):
        return f'<Name Encoded="true">{urllib.parse.quote(name)}</Name>'
    return f"<Name>{escape(name)}</Name>"
