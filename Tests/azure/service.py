"""Answers requests of the Blob REST API: who asks, what for, with which fault, and the answer's common headers."""

import base64
import collections
import hashlib
import itertools
import threading
import time
import uuid

import listing
import reads
import upkeep
import writes
from authorization import Authorizer
from blobs import Account, Bodies
from clock import Clock, http_date, iso_date
from control import Control
from errors import ServiceError
from faults import Faults, flipped
from operations import Operation, operation_of, place_of
from wire import ConnectionEnded, Link, Response

# These receive a body, and take the account's lock themselves after it.
WITH_BODY = {
    "PutBlob": writes.put_blob, "PutBlock": writes.put_block, "PutBlockList": writes.put_block_list,
    "CopyBlob": writes.copy_blob,
}
WITHOUT_BODY = {
    "ListContainers": listing.list_containers, "ListBlobs": listing.list_blobs,
    "GetAccountInformation": upkeep.get_account, "GetServiceProperties": upkeep.get_service_properties,
    "CreateContainer": upkeep.create_container, "DeleteContainer": upkeep.delete_container,
    "GetContainerProperties": upkeep.get_container, "GetBlob": reads.get_blob,
    "GetBlobProperties": reads.get_properties, "GetBlobMetadata": reads.get_metadata,
    "GetBlockList": reads.get_block_list, "SetBlobMetadata": upkeep.set_metadata,
    "SetBlobProperties": upkeep.set_properties, "SetBlobTier": upkeep.set_tier, "DeleteBlob": upkeep.delete_blob,
    "UndeleteBlob": upkeep.undelete_blob, "SnapshotBlob": upkeep.snapshot_blob, "LeaseBlob": upkeep.lease_blob,
    "SetImmutabilityPolicy": upkeep.set_policy, "DeleteImmutabilityPolicy": upkeep.delete_policy,
    "SetLegalHold": upkeep.set_legal_hold,
}
LOG_LIMIT = 100_000
UNKNOWN = Operation("Unknown", "", "")


class Settings:
    """What the control interface changes beside the account's own state."""

    def __init__(self, single_max):
        self.single_max = single_max
        self.latency_ms = 0
        self.upload, self.download = Link(), Link()


class Journal:
    """Which requests came: they are money, so tests count them."""

    def __init__(self):
        self.lock = threading.Lock()
        self.clear()

    def clear(self):
        """Forgets all."""
        self.counts = collections.Counter()
        self.entries = collections.deque(maxlen=LOG_LIMIT)

    def add(self, entry):
        """Takes one request, when its answer is known."""
        with self.lock:
            self.counts[entry["operation"]] += 1
            self.entries.append(entry)

    def report(self):
        """Counts by operation and the requests in the order in which they were answered."""
        with self.lock:
            return {"counts": dict(self.counts), "total": sum(self.counts.values()), "log": list(self.entries)}


class Call:
    """One request, on its way through an operation."""

    def __init__(self, service, connection, request):
        self.service = service
        self.connection = connection
        self.request = request
        self.account = service.account
        self.account_name = service.authorizer.account
        self.settings = service.settings
        self.endpoint = connection.server.url
        self.place = None
        self.operation = UNKNOWN
        self.grant = None
        self.fault = None
        self.received = 0

    def receive(self, with_md5):
        """The request's body and, where it is wanted, its MD5, which is computed as the bytes come in."""
        digest = hashlib.md5(usedforsecurity=False) if with_md5 else None
        flip, pace = self.fault.get("flip_request_byte"), self.fault.pace() or self.settings.upload
        for piece in self.connection.read_body(self.request, self.service.bodies.allocate, pace):
            if flip is not None and self.received <= flip < self.received + len(piece):
                piece[flip - self.received] ^= 1
            self.received += len(piece)
            if digest is not None:
                digest.update(piece)
        return self.request.body, None if digest is None else base64.b64encode(digest.digest()).decode()

    def authorize_source(self, place, query):
        """Whether the source of a copy may be read: by its own signature, or by who may use the whole account."""
        if "sig" in query:
            read = Operation("GetBlob", "o", "r")
            self.service.authorizer.authorize_query(query, place, read, self.connection)
        elif "authorization" not in self.request.headers:
            raise ServiceError("CannotVerifyCopySource")
        else:
            self.grant.require("r")


class Service:
    """The emulated Blob service of one account."""

    def __init__(self, account, key, single_max, directory=None):
        self.clock = Clock()
        self.account = Account(self.clock)
        self.authorizer = Authorizer(account, key, self.clock)
        self.bodies = Bodies(directory)
        self.faults = Faults()
        self.settings = Settings(single_max)
        self.journal = Journal()
        self.control = Control(self)
        self._numbers = itertools.count(1)

    def respond(self, connection, request):
        """Answers one request on its connection."""
        if request.raw_path.startswith("/_control/"):
            self.control.respond(connection, request)
            return
        call = Call(self, connection, request)
        request_id = str(uuid.uuid4())
        number = next(self._numbers)
        status = None
        try:
            response = self._answer(call, request_id)
            status = response.status
        finally:
            # Before the answer is sent: who has it may ask for the count at once.
            self.journal.add({
                "number": number, "operation": call.operation.name, "method": request.method, "path": request.path,
                "query": {name: value for name, value in request.query.items() if name != "sig"}, "status": status,
                "received": call.received, "range": request.headers.get("x-ms-range") or request.headers.get("range"),
            })
        self._send(call, response, request_id)

    def _answer(self, call, request_id):
        try:
            call.place = place_of(call.request.raw_path)
            call.operation = operation_of(call.place, call.request)
            call.fault = self.faults.take(call.request, call.operation.name)
            self._go_wrong_before(call)
            call.grant = self.authorizer.authorize(call.request, call.place, call.operation, call.connection)
            response = self._perform(call)
        except ServiceError as error:
            response = self._refusal(error, request_id)
        return response

    def _perform(self, call):
        name = call.operation.name
        if name in WITH_BODY:
            return WITH_BODY[name](call)
        call.connection.drain(call.request)
        with self.account.lock:
            return WITHOUT_BODY[name](call)

    def _go_wrong_before(self, call):
        fault = call.fault
        delay = (fault.get("delay_ms") or 0) + self.settings.latency_ms
        if delay:
            time.sleep(delay / 1000)
        limit = fault.get("reset_request_after")
        if limit is not None:
            for piece in call.connection.read_body(call.request, pace=fault.pace(), limit=limit):
                call.received += len(piece)
            call.connection.reset()
        if fault.get("status") is not None:
            after = fault.get("retry_after")
            headers = {} if after is None else {"Retry-After": str(after)}
            raise ServiceError(fault.get("code") or "ServerBusy", status=fault.get("status"), headers=headers)

    def _refusal(self, error, request_id):
        headers = {"x-ms-error-code": error.code, **error.headers}
        if error.status == 304:
            return Response(304, headers)
        headers["Content-Type"] = "application/xml"
        return Response(error.status, headers, error.body(request_id, iso_date(self.clock.now())))

    def _send(self, call, response, request_id):
        """Sends the answer, or as much of it as the fault lets through."""
        connection, request = call.connection, call.request
        fault = call.fault or self.faults.take(request, None)
        connection.drain(request)
        response.headers = {
            "Server": "Windows-Azure-Blob/1.0 (emulated)", "x-ms-request-id": request_id,
            "x-ms-version": request.headers.get("x-ms-version", "2021-12-02"),
            "x-ms-client-request-id": request.headers.get("x-ms-client-request-id"),
            "Date": http_date(self.clock.now()), **response.headers,
        }
        if fault.get("lose_answer"):
            connection.reset()
        if fault.get("flip_response_byte") is not None:
            response.parts = flipped(response.parts, fault.get("flip_response_byte"))
        for action, end in (("reset_response_after", connection.reset), ("truncate_response_after", connection.close)):
            if fault.get(action) is not None:
                connection.send(response, request.method, pace=fault.pace(), cut=fault.get(action))
                end()
        must_close = connection.must_close(request)
        pace = fault.pace() or self.settings.download
        connection.send(response, request.method, keep_alive=not must_close, pace=pace)
        if must_close:
            raise ConnectionEnded
