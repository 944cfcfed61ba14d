"""What the small fakes share: JSON answers, scripted refusals, and a log that shows every field which was sent.

Each fake has a control interface of its own, at /_control/, from the same machine only:

POST answers   a list of {"status": N, "method": M, "path": REGEX, "skip": N, "count": N, "retry_after": S,
               "body": {...}, "after": bool}: what is answered before all else, each `count` times (1 where it is left
               out) after the first `skip`; with "after" the request is done all the same, and its answer lost
GET  requests  the requests in their order; DELETE forgets them
POST settings  the fake's own settings; those that are left out stay
"""

import json
import re
import threading
import urllib.parse

from wire import BadRequest, ConnectionEnded, Response


class Refusal(Exception):
    """An answer other than success."""

    def __init__(self, status, body, headers=None):
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or {}


def json_response(status, body, headers=None):
    """An answer with a JSON document."""
    return Response(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})},
                    json.dumps(body).encode())


class Fake:
    """A server that checks what it is sent; the subclass's `answer(request)` returns a response or raises a refusal."""

    # The settings of a subclass and their values at the start.
    defaults = {}

    def __init__(self, clock):
        self.clock = clock
        self.lock = threading.RLock()
        self.settings = dict(self.defaults)
        self.log = []
        self.answers = []

    def respond(self, connection, request):
        """Answers one request on its connection."""
        for _ in connection.read_body(request):
            pass
        request.body = bytes(request.body)
        with self.lock:
            if request.path.startswith("/_control/"):
                response = self._control(connection, request)
            else:
                response = self._answer(request)
        connection.send(response, request.method)

    def _answer(self, request):
        entry = {"method": request.method, "path": request.path, "query": dict(request.query_pairs),
                 "headers": dict(request.headers.items()), "body": request.body.decode("utf-8", "replace")}
        self.log.append(entry)
        try:
            response = self._scripted(request) or self.answer(request)
        except Refusal as refusal:
            response = json_response(refusal.status, refusal.body, refusal.headers)
        entry["status"] = response.status
        return response

    def _scripted(self, request):
        for rule in self.answers:
            if rule.get("method", request.method) != request.method:
                continue
            if rule.get("count", 1) > 0 and re.search(rule.get("path", ""), request.path):
                if rule.get("skip", 0) > 0:
                    rule["skip"] -= 1
                    continue
                if rule.get("after"):
                    self.answer(request)
                rule["count"] = rule.get("count", 1) - 1
                headers = {"Retry-After": str(rule["retry_after"])} if "retry_after" in rule else {}
                return json_response(rule["status"], rule.get("body", {}), headers)
        return None

    def answer(self, request):
        """What the fake does."""
        raise NotImplementedError

    def _control(self, connection, request):
        if not connection.is_loopback:
            raise ConnectionEnded
        body = json.loads(request.body) if request.body else None
        match request.method, request.path.removeprefix("/_control/"):
            case "POST", "answers":
                self.answers = [dict(rule) for rule in body]
            case "GET", "requests":
                return json_response(200, {"log": self.log})
            case "DELETE", "requests":
                self.log.clear()
            case "POST", "settings":
                if set(body) - set(self.settings):
                    return json_response(400, {"error": f"there are the settings {sorted(self.settings)}"})
                self.settings.update(body)
                self.settings_changed()
            case _:
                return json_response(404, {"error": "no such route"})
        return json_response(200, {})

    def settings_changed(self):
        """Called after the settings were changed."""


def form_of(request):
    """The fields of a form; each may be there once."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise BadRequest(f"Content-Type: {kind}")
    pairs = urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadRequest("a field is there twice")
    return fields
