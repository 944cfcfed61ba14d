"""Rules by which requests go wrong, in order, a given number of times: the same for every run of a test."""

import re
import threading

from wire import Pace

CONDITIONS = {"method", "operation", "comp", "path", "nth", "count"}
ACTIONS = {
    "status", "code", "retry_after", "reset_request_after", "reset_response_after", "truncate_response_after",
    "bytes_per_second", "delay_ms", "flip_request_byte", "flip_response_byte", "lose_answer",
}


class Rule:
    """One rule: which requests it is for, from which one on, how often, and what happens to them."""

    def __init__(self, description):
        unknown = set(description) - CONDITIONS - ACTIONS
        if unknown or not set(description) & ACTIONS:
            raise ValueError(f"a rule has conditions {sorted(CONDITIONS)} and actions {sorted(ACTIONS)}, not "
                             f"{sorted(unknown) or 'conditions alone'}")
        self.method = description.get("method")
        self.operation = description.get("operation")
        self.comp = description.get("comp")
        self.path = re.compile(description.get("path", ""))
        self.to_skip = description.get("nth", 1) - 1
        self.left = description.get("count", 1)
        self.actions = {name: value for name, value in description.items() if name in ACTIONS}

    def applies(self, request, operation):
        """Whether this request is one that the rule counts."""
        return (self.method in (None, request.method) and self.operation in (None, operation)
                and self.comp in (None, request.query.get("comp", "")) and self.path.search(request.path) is not None)

    def take(self):
        """Counts a request that applies; returns whether it is hit."""
        if self.to_skip > 0:
            self.to_skip -= 1
            return False
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0


class Fault:
    """What happens to one request."""

    def __init__(self, actions):
        self.actions = actions

    def get(self, action):
        """The action's value, None where it is not taken."""
        return self.actions.get(action)

    def pace(self):
        """The speed of the request's and the answer's body."""
        rate = self.actions.get("bytes_per_second")
        return None if rate is None else Pace(rate)


class Faults:
    """The rules in force; the first that hits a request decides."""

    def __init__(self):
        self.lock = threading.Lock()
        self.rules = []

    def replace(self, descriptions):
        """Puts other rules into force."""
        rules = [Rule(description) for description in descriptions]
        with self.lock:
            self.rules = rules

    def take(self, request, operation):
        """The fault for this request. Each rule that applies counts it, also where an earlier one decides."""
        with self.lock:
            hits = [rule for rule in self.rules if rule.applies(request, operation) and rule.take()]
        return Fault(hits[0].actions if hits else {})

    def remaining(self):
        """How often each rule will still hit, None for ever."""
        with self.lock:
            return [None if rule.left is None else max(0, rule.left) for rule in self.rules]


def flipped(parts, index):
    """The parts with the lowest bit of one byte turned over; what they are taken from stays as it is."""
    result = []
    for part in parts:
        if 0 <= index < len(part):
            part = bytearray(part)
            part[index] ^= 1
            index = -1
        elif index >= 0:
            index -= len(part)
        result.append(part)
    return result
