"""The control interface: what a test tells the emulator and asks it, at /_control/, from the same machine only.

POST faults    a list of rules (faults.py); they replace those in force. GET tells how often each will still hit
GET  requests  counts by operation and a log; DELETE forgets them
POST clock     {"advance": SECONDS}; answers {"now": ...}; GET tells it
POST settings  any of {"soft_delete_days": N or null, "versioning": bool, "latency_ms": N, "single_max": BYTES,
               "link": BYTES A SECOND that bodies share each way, or null,
               "tokens": [{"token": ..., "expires_in": SECONDS, "permissions": "rl"}]}
POST reset     an account as new, without faults, tokens and settings; the clock back at the machine's
"""

import json

from wire import BadRequest, ConnectionEnded, Link, Response


class Control:
    """Serves the control interface of one service."""

    def __init__(self, service):
        self.service = service
        self.single_max = service.settings.single_max
        self.routes = {
            ("POST", "faults"): self._set_faults, ("GET", "faults"): self._get_faults,
            ("GET", "requests"): self._get_requests, ("DELETE", "requests"): self._forget_requests,
            ("POST", "clock"): self._advance, ("GET", "clock"): self._get_clock,
            ("POST", "settings"): self._change_settings, ("POST", "reset"): self._reset,
        }

    def respond(self, connection, request):
        """Answers one request of a test."""
        if not connection.is_loopback:
            raise ConnectionEnded
        for _ in connection.read_body(request):
            pass
        route = self.routes.get((request.method, request.path.removeprefix("/_control/")))
        if route is None:
            status, answer = 404, {"error": f"no such route; there are {sorted(map(' '.join, self.routes))}"}
        else:
            status, answer = self._run(route, bytes(request.body))
        body = json.dumps(answer).encode()
        connection.send(Response(status, {"Content-Type": "application/json"}, body), request.method)

    @staticmethod
    def _run(route, body):
        try:
            return 200, route(json.loads(body) if body else None)
        except (KeyError, TypeError, ValueError, BadRequest) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"}

    def _set_faults(self, rules):
        self.service.faults.replace(rules or [])
        return {}

    def _get_faults(self, _):
        return {"remaining": self.service.faults.remaining()}

    def _get_requests(self, _):
        return self.service.journal.report()

    def _forget_requests(self, _):
        self.service.journal.clear()
        return {}

    def _advance(self, change):
        self.service.clock.advance(change["advance"])
        return self._get_clock(None)

    def _get_clock(self, _):
        return {"now": self.service.clock.now()}

    def _change_settings(self, changes):
        known = {"soft_delete_days", "versioning", "latency_ms", "single_max", "link", "tokens"}
        if set(changes) - known:
            raise ValueError(f"there is no setting {sorted(set(changes) - known)}; there are {sorted(known)}")
        service = self.service
        service.account.soft_delete_days = changes.get("soft_delete_days", service.account.soft_delete_days)
        service.account.versioning = changes.get("versioning", service.account.versioning)
        service.settings.latency_ms = changes.get("latency_ms", service.settings.latency_ms)
        service.settings.single_max = changes.get("single_max", service.settings.single_max)
        if "link" in changes:
            service.settings.upload, service.settings.download = Link(changes["link"]), Link(changes["link"])
        for token in changes.get("tokens", []):
            more = {"permissions": token["permissions"]} if "permissions" in token else {}
            service.authorizer.accept_token(token["token"], service.clock.now() + token["expires_in"], **more)
        return {}

    def _reset(self, _):
        self.service.account.clear()
        self.service.faults.replace([])
        self.service.authorizer.tokens.clear()
        self.service.clock.ahead = 0
        self.service.settings.latency_ms = 0
        self.service.settings.upload, self.service.settings.download = Link(), Link()
        self.service.settings.single_max = self.single_max
        self.service.journal.clear()
        return {}
