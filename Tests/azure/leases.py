"""A blob's lease: learn.microsoft.com/rest/api/storageservices/lease-blob, its table of states and outcomes."""

import math
import uuid

from errors import ServiceError


class Lease:
    """Who alone may write a blob, and until when by the service's clock."""

    def __init__(self, clock):
        self.clock = clock
        self.id = None
        self.duration = None
        self.expires_at = None
        self.broken_at = None

    @property
    def state(self):
        """available, leased, expired, breaking or broken."""
        now = self.clock.now()
        if self.id is None:
            return "available"
        if self.broken_at is not None:
            return "broken" if self.broken_at <= now else "breaking"
        return "leased" if self.expires_at > now else "expired"

    @property
    def is_locked(self):
        """Whether writes need the lease's id."""
        return self.state in ("leased", "breaking")

    def headers(self):
        """What a blob's properties say of it."""
        state = self.state
        fields = {"x-ms-lease-status": "locked" if self.is_locked else "unlocked", "x-ms-lease-state": state}
        if state == "leased":
            fields["x-ms-lease-duration"] = "infinite" if self.duration == -1 else "fixed"
        return fields

    def check_write(self, given):
        """Refuses a write that does not carry the id of the lease that is held."""
        if self.is_locked:
            if given is None:
                raise ServiceError("LeaseIdMissing")
            if given.lower() != self.id:
                raise ServiceError("LeaseIdMismatchWithBlobOperation")
        elif given is not None:
            known = self.id is not None and given.lower() == self.id
            raise ServiceError("LeaseLost" if known else "LeaseNotPresentWithBlobOperation")

    def check_read(self, given):
        """A read may carry an id, and then it must be that of the lease."""
        if given is not None:
            self.check_write(given)

    def acquire(self, duration, proposed):
        """Takes the lease for `duration` seconds, -1 for ever; returns its id."""
        if duration != -1 and not 15 <= duration <= 60:
            raise ServiceError("InvalidHeaderValue", HeaderName="x-ms-lease-duration")
        if self.state == "breaking":
            same = proposed is not None and proposed.lower() == self.id
            raise ServiceError("LeaseIsBreakingAndCannotBeAcquired" if same else "LeaseAlreadyPresent")
        if self.state == "leased" and (proposed is None or proposed.lower() != self.id):
            raise ServiceError("LeaseAlreadyPresent")
        self.id = (proposed or str(uuid.uuid4())).lower()
        self.duration = duration
        self.broken_at = None
        self._extend()
        return self.id

    def renew(self, given):
        """Starts the lease's time again, also where it has run out and nobody else took it."""
        self._require_own(given)
        if self.state in ("breaking", "broken"):
            raise ServiceError("LeaseIsBrokenAndCannotBeRenewed")
        self._extend()
        return self.id

    def change(self, given, proposed):
        """Gives the lease that is held another id."""
        if proposed is None:
            raise ServiceError("MissingRequiredHeader", HeaderName="x-ms-proposed-lease-id")
        if self.id != proposed.lower():
            self._require_own(given)
        if self.state != "leased":
            raise ServiceError("LeaseNotPresentWithLeaseOperation")
        self.id = proposed.lower()
        return self.id

    def release(self, given):
        """Ends the lease at once."""
        self._require_own(given)
        self.id = self.duration = self.expires_at = self.broken_at = None

    def break_(self, period):
        """Ends the lease after `period` seconds or what is left of it; returns the seconds until then."""
        now = self.clock.now()
        if self.id is None:
            raise ServiceError("LeaseNotPresentWithLeaseOperation")
        if self.state in ("expired", "broken"):
            self.broken_at = now
            return 0
        left = math.inf if self.duration == -1 else self.expires_at - now
        if self.state == "breaking":
            left = self.broken_at - now
        wait = left if period is None else min(left, period)
        wait = 0 if wait == math.inf else wait
        self.broken_at = now + wait
        return math.ceil(wait)

    def _require_own(self, given):
        if given is None:
            raise ServiceError("MissingRequiredHeader", HeaderName="x-ms-lease-id")
        if self.id is None:
            raise ServiceError("LeaseNotPresentWithLeaseOperation")
        if given.lower() != self.id:
            raise ServiceError("LeaseIdMismatchWithLeaseOperation")

    def _extend(self):
        self.expires_at = math.inf if self.duration == -1 else self.clock.now() + self.duration
