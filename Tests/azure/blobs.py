"""What the account holds: containers, blobs, their blocks, versions, snapshots and what was deleted softly."""

import bisect
import dataclasses
import itertools
import mmap
import tempfile
import threading

from clock import iso_date
from errors import ServiceError
from leases import Lease

TIERS = ("Hot", "Cool", "Cold", "Archive")
DAY = 86400
# Rehydration's longest times: archive-rehydrate-overview.
REHYDRATION_SECONDS = {"Standard": 15 * 3600, "High": 3600}
_etags = itertools.count(0x8DB000000000000)


def tier_named(text):
    """The tier as the service writes it; clients, rclone among them, write it as they like."""
    tier = text.capitalize()
    if tier not in TIERS:
        raise ServiceError("InvalidHeaderValue", HeaderName="x-ms-access-tier")
    return tier


def new_etag():
    """One that no other state of any blob has had."""
    return f'"0x{next(_etags):X}"'


class Bodies:
    """Where the bytes of blobs lie: in memory, or, for a test that moves gigabytes, in unlinked files."""

    def __init__(self, directory=None):
        self.directory = directory

    def allocate(self, size):
        """Writable memory of `size` bytes."""
        if self.directory is None or size == 0:
            return bytearray(size)
        with tempfile.TemporaryFile(dir=self.directory) as file:
            file.truncate(size)
            return mmap.mmap(file.fileno(), size)


class Content:
    """A sequence of parts, each as it came over the wire; a list of blocks needs no copy to become one."""

    def __init__(self, parts):
        self.parts = [part for part in parts if len(part)]
        self.size = sum(len(part) for part in self.parts)

    def slice(self, start, end):
        """The parts of the bytes from `start` up to `end`."""
        found = []
        for part in self.parts:
            if start < len(part) and end > 0:
                found.append(memoryview(part)[max(0, start):end])
            start -= len(part)
            end -= len(part)
        return found


@dataclasses.dataclass
class Policy:
    """How long a revision must stay as it is."""

    until: float | None = None
    mode: str = "unlocked"
    legal_hold: bool = False

    def check(self, now):
        """Refuses a change while it holds."""
        if self.legal_hold:
            raise ServiceError("BlobImmutableDueToLegalHold")
        if self.until is not None and self.until > now:
            raise ServiceError("BlobImmutableDueToPolicy")


@dataclasses.dataclass
class Revision:
    """One state of a blob: the current one, an earlier version, a snapshot, or one that was deleted."""

    content: Content
    created: float
    last_modified: float
    properties: dict
    metadata: dict
    tier: str = "Hot"
    tier_inferred: bool = True
    tier_changed: float | None = None
    rehydration: tuple | None = None
    policy: Policy = dataclasses.field(default_factory=Policy)
    blocks: list = dataclasses.field(default_factory=list)
    etag: str = dataclasses.field(default_factory=new_etag)
    version_id: str | None = None
    snapshot: str | None = None
    deleted_at: float | None = None
    copy: dict = dataclasses.field(default_factory=dict)

    def settle(self, now):
        """Brings a tier up to date whose rehydration is over by now."""
        if self.rehydration is not None and self.rehydration[0] <= now:
            self.tier, self.tier_changed = self.rehydration[1], self.rehydration[0]
            self.tier_inferred = False
            self.rehydration = None

    def check_online(self):
        """Refuses what needs the bytes of an archived blob."""
        if self.tier == "Archive":
            raise ServiceError("BlobArchived" if self.rehydration is None else "BlobBeingRehydrated")

    def set_tier(self, tier, priority, now):
        """Moves to another tier; returns whether that takes time."""
        if priority not in REHYDRATION_SECONDS:
            raise ServiceError("InvalidHeaderValue", HeaderName="x-ms-rehydrate-priority")
        if self.tier == "Archive" and tier != "Archive":
            self._rehydrate(tier, priority, now)
            return True
        if self.rehydration is not None:
            raise ServiceError("BlobBeingRehydrated")
        self.tier, self.tier_inferred, self.tier_changed = tier, False, now
        return False

    def _rehydrate(self, tier, priority, now):
        if self.rehydration is not None:
            # Only the priority of what is under way may be raised.
            _, target, before = self.rehydration
            if target != tier or (before == "High" and priority != "High"):
                raise ServiceError("BlobBeingRehydrated")
        self.rehydration = (now + REHYDRATION_SECONDS[priority], tier, priority)

    def touched(self, now):
        """A changed state has another ETag."""
        self.etag, self.last_modified = new_etag(), now


class Entry:
    """All that is known under one blob's name."""

    def __init__(self, clock):
        self.current = None
        self.versions = []
        self.snapshots = []
        self.deleted = []
        self.uncommitted = {}
        self.lease = Lease(clock)

    @property
    def is_empty(self):
        """Whether nothing at all is left of it."""
        return self.current is None and not (self.versions or self.snapshots or self.deleted or self.uncommitted)


class Container:
    """A container: entries by name, and the names in order."""

    def __init__(self, name, now, metadata):
        self.name = name
        self.metadata = metadata
        self.etag = new_etag()
        self.last_modified = now
        self.entries = {}
        self.names = []

    def entry(self, name, clock):
        """The entry of `name`, made where there is none."""
        if name not in self.entries:
            self.entries[name] = Entry(clock)
            bisect.insort(self.names, name)
        return self.entries[name]

    def tidy(self, name):
        """Forgets an entry that has become empty."""
        entry = self.entries.get(name)
        if entry is not None and entry.is_empty:
            del self.entries[name]
            del self.names[bisect.bisect_left(self.names, name)]


class Account:
    """The state of a storage account. Every use of it is under `lock`; bodies are received before that."""

    def __init__(self, clock):
        self.clock = clock
        self.lock = threading.RLock()
        self.containers = {}
        self.versioning = False
        self.soft_delete_days = None
        self._last_moment = 0.0

    def clear(self):
        """An account as new."""
        with self.lock:
            self.containers.clear()
            self.versioning = False
            self.soft_delete_days = None

    def moment(self):
        """A time that no version or snapshot has been named by yet."""
        self._last_moment = max(self.clock.now(), self._last_moment + 1e-6)
        return self._last_moment

    def container(self, name):
        """The container `name`."""
        if name not in self.containers:
            raise ServiceError("ContainerNotFound")
        return self.containers[name]

    def find(self, place, version_id=None, snapshot=None):
        """The entry and the revision that a request names; what is not there is not found."""
        entry = self.container(place.container).entries.get(place.blob)
        revision = entry and self._revision(entry, version_id, snapshot)
        if revision is None:
            raise ServiceError("BlobNotFound")
        revision.settle(self.clock.now())
        return entry, revision

    @staticmethod
    def _revision(entry, version_id, snapshot):
        if snapshot is not None:
            return next((one for one in entry.snapshots if one.snapshot == snapshot), None)
        if version_id is None or (entry.current is not None and entry.current.version_id == version_id):
            return entry.current
        return next((one for one in entry.versions if one.version_id == version_id), None)

    def current(self, place):
        """The current revision of a blob, None where there is none."""
        entry = self.container(place.container).entries.get(place.blob)
        if entry is None or entry.current is None:
            return None
        entry.current.settle(self.clock.now())
        return entry.current

    def check_replaceable(self, place):
        """Refuses to write over what is archived or immutable."""
        revision = self.current(place)
        if revision is not None:
            revision.policy.check(self.clock.now())
            revision.check_online()

    def install(self, place, revision):
        """Makes `revision` the current one; what was there becomes a version, or is deleted softly."""
        entry = self.container(place.container).entry(place.blob, self.clock)
        before = entry.current
        if self.versioning:
            revision.version_id = self._name_of_version()
            if before is not None:
                entry.versions.append(before)
        elif before is not None and self.soft_delete_days is not None:
            before.snapshot = self._name_of_version()
            before.deleted_at = self.clock.now()
            entry.deleted.append(before)
        entry.current = revision
        entry.uncommitted = {}

    def _name_of_version(self):
        return iso_date(self.moment())

    def snapshot(self, entry):
        """Keeps a copy of the current revision under the time of now."""
        copy = dataclasses.replace(entry.current, snapshot=self._name_of_version(), policy=Policy(), copy={})
        entry.snapshots.append(copy)
        return copy

    def delete_current(self, place, entry, with_snapshots):
        """Deletes a blob: it becomes a version, or is deleted softly, or is gone."""
        entry.current.policy.check(self.clock.now())
        if entry.snapshots and with_snapshots is None:
            raise ServiceError("SnapshotsPresent")
        if with_snapshots is not None:
            for one in entry.snapshots:
                self._bury(entry, one)
            entry.snapshots = []
        if with_snapshots != "only":
            if self.versioning:
                entry.versions.append(entry.current)
            else:
                self._bury(entry, entry.current)
            entry.current = None
            entry.uncommitted = {}
            entry.lease = Lease(self.clock)
        self.container(place.container).tidy(place.blob)

    def delete_revision(self, place, entry, revision):
        """Deletes one version or snapshot."""
        revision.policy.check(self.clock.now())
        if revision is entry.current:
            entry.current = None
        kept = entry.versions if revision.snapshot is None else entry.snapshots
        kept[:] = [one for one in kept if one is not revision]
        self._bury(entry, revision)
        self.container(place.container).tidy(place.blob)

    def _bury(self, entry, revision):
        if self.soft_delete_days is not None:
            revision.deleted_at = self.clock.now()
            entry.deleted.append(revision)

    def undelete(self, place):
        """Brings back all that was deleted softly under a name and is still kept."""
        entry = self.container(place.container).entries.get(place.blob)
        if entry is None:
            raise ServiceError("BlobNotFound")
        self.expire(place.container)
        for revision in entry.deleted:
            revision.deleted_at = None
            if revision.snapshot is not None:
                entry.snapshots.append(revision)
            elif revision.version_id is not None:
                entry.versions.append(revision)
            elif entry.current is None:
                entry.current = revision
        entry.deleted = []

    def expire(self, container):
        """Drops what was deleted softly longer ago than it is kept."""
        if self.soft_delete_days is None:
            return
        oldest = self.clock.now() - self.soft_delete_days * DAY
        holder = self.container(container)
        for name in [name for name, entry in holder.entries.items() if entry.deleted]:
            entry = holder.entries[name]
            entry.deleted = [one for one in entry.deleted if one.deleted_at > oldest]
            holder.tidy(name)
