"""Conditional requests: learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-..."""

from clock import parse_http_date
from errors import ServiceError


def _matches(condition, etag):
    tags = [tag.strip() for tag in condition.split(",")]
    return "*" in tags or etag in tags or etag.strip('"') in tags


def _date(headers, name):
    text = headers.get(name)
    if text is None:
        return None
    seconds = parse_http_date(text)
    if seconds is None:
        raise ServiceError("InvalidHeaderValue", HeaderName=name)
    return seconds


def check_write(headers, revision):
    """Refuses a write whose conditions `revision`, the blob as it is or None, does not meet."""
    if_none_match = headers.get("if-none-match")
    if revision is None:
        if "if-match" in headers:
            raise ServiceError("ConditionNotMet")
        return
    if if_none_match == "*":
        raise ServiceError("BlobAlreadyExists")
    if not _holds(headers, revision):
        raise ServiceError("ConditionNotMet")


def check_read(headers, revision):
    """Refuses a read: 304 where the client has what there is, 412 where it wants what there is not."""
    if _holds(headers, revision):
        return
    since = _date(headers, "if-unmodified-since")
    failed = "if-match" in headers and not _matches(headers.get("if-match"), revision.etag)
    if failed or (since is not None and int(revision.last_modified) > since):
        raise ServiceError("ConditionNotMet")
    raise ServiceError("ConditionNotMet", status=304)


def _holds(headers, revision):
    if "if-match" in headers and not _matches(headers.get("if-match"), revision.etag):
        return False
    if "if-none-match" in headers and _matches(headers.get("if-none-match"), revision.etag):
        return False
    # The header has whole seconds, so that is how a time is compared.
    changed = int(revision.last_modified)
    since = _date(headers, "if-modified-since")
    if since is not None and changed <= since:
        return False
    since = _date(headers, "if-unmodified-since")
    return since is None or changed <= since
