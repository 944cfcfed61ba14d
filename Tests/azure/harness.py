"""Runs an emulator for the tests of this folder, as any test does: as a process, over HTTP."""

import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

from emulator import ACCOUNT, KEY

FOLDER = pathlib.Path(__file__).resolve().parent


class Emulator:
    """An emulator process; `urls` holds its address and those of the fakes that it was started with."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [sys.executable, "-B", str(FOLDER / "emulator.py"), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.urls = {}
        for _ in range(1 + sum(option in ("--imds", "--entra", "--atlas") for option in options)):
            words = self.process.stdout.readline().split()
            self.urls["blob" if len(words) == 3 else words[0]] = words[-1]
        self.url = f"{self.urls['blob']}/{ACCOUNT}"

    @property
    def connection_string(self):
        """What clients take."""
        scheme = self.url.partition(":")[0]
        return (f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={KEY};"
                f"BlobEndpoint={self.url};")

    def control(self, method, route, body=None, server="blob"):
        """One request to a control interface; returns its answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.urls[server]}/_control/{route}", data=data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def faults(self, *rules):
        """Puts these rules into force."""
        self.control("POST", "faults", list(rules))

    def advance(self, seconds):
        """Moves the service's clock."""
        self.control("POST", "clock", {"advance": seconds})

    def settings(self, **changes):
        """Changes settings of the service."""
        self.control("POST", "settings", changes)

    def counts(self):
        """How many requests of each operation came."""
        return self.control("GET", "requests")["counts"]

    def stop(self):
        """Ends it as its parent's death would."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=10)


def fetch(url, method="GET", headers=None, body=None):
    """Status, header fields and body of one plain request, whatever the status."""
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()
