"""The service's time, which a test can move forward: leases run out, tokens expire and archived blobs come back."""

import datetime
import email.utils
import functools
import time


class Clock:
    """The machine's time and what the control interface added to it."""

    def __init__(self):
        self.ahead = 0.0

    def now(self):
        """Seconds since 1970, UTC."""
        return time.time() + self.ahead

    def advance(self, seconds):
        """Moves on by `seconds`."""
        self.ahead += seconds


def http_date(seconds):
    """RFC 9110's date, as in Last-Modified."""
    return _date_of_second(int(seconds))


# A listing of many blobs would otherwise spend most of its time on the same few dates.
@functools.lru_cache(maxsize=10_000)
def _date_of_second(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


def parse_http_date(text):
    """Seconds since 1970 of an HTTP date, None where it is none."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None


def iso_date(seconds):
    """With seven digits of fraction, as the service names snapshots and versions."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


def parse_iso_date(text):
    """Seconds since 1970 of an ISO 8601 time in UTC, None where it is none; in signatures it may be a day alone."""
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"):
        try:
            return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc).timestamp()
        except ValueError:
            continue
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
