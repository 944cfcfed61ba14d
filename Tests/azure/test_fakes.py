"""The fakes beside the emulator: what they accept, and that they refuse what is only nearly right.

curl answers the digest challenge: it is the client that everybody's digest authentication was tried with.
"""

import base64
import json
import shutil
import subprocess
import unittest
import urllib.parse

import digest
from atlas import Atlas
from entra import JWT_BEARER, SCOPE, TokenEndpoint
from harness import Emulator, fetch

STORAGE = "https://storage.azure.com/"


class FakeTestCase(unittest.TestCase):
    """One emulator with all fakes for each test."""

    def setUp(self):
        self.emulator = Emulator("--imds", "--entra", "--atlas")
        self.addCleanup(self.emulator.stop)

    def opens(self, token):
        """The status of a request to the storage emulator with this token."""
        headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2021-12-02"}
        return fetch(f"{self.emulator.url}?comp=list", headers=headers)[0]


class MetadataServiceTests(FakeTestCase):
    """imds.py."""

    def ask(self, headers=(("Metadata", "true"),), **changes):
        """Asks for a token with these differences from a good request; None leaves a parameter out."""
        query = {"api-version": "2018-02-01", "resource": STORAGE} | {
            name.replace("_version", "-version"): value for name, value in changes.items()}
        text = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        status, _, body = fetch(
            f"{self.emulator.urls['imds']}/metadata/identity/oauth2/token?{text}", headers=dict(headers))
        return status, json.loads(body)

    def test_a_token(self):
        """Opens the storage until it expires."""
        status, answer = self.ask()
        self.assertEqual((status, answer["token_type"], answer["expires_in"]), (200, "Bearer", "86400"))
        self.assertEqual(self.opens(answer["access_token"]), 200)
        self.emulator.advance(86401)
        self.assertEqual(self.opens(answer["access_token"]), 401)

    def test_what_is_refused(self):
        """Every field counts."""
        for changes in ({"headers": ()}, {"headers": (("Metadata", "true"), ("X-Forwarded-For", "1.2.3.4"))},
                        {"api_version": "2017-01-01"}, {"resource": "https://vault.azure.net"}, {"resource": None},
                        {"client_id": "other"}, {"scope": "x"}):
            self.assertEqual(self.ask(**changes)[0], 400, changes)

    def test_a_user_assigned_identity(self):
        """Must be named where the machine has it."""
        self.emulator.control("POST", "settings", {"client_id": "mine", "expires_in": 60}, server="imds")
        self.assertEqual(self.ask()[0], 400)
        status, answer = self.ask(client_id="mine")
        self.assertEqual((status, answer["client_id"], answer["expires_in"]), (200, "mine", "60"))

    def test_scripted_answers(self):
        """Not ready yet, then too many requests, then a token."""
        self.emulator.control(
            "POST", "answers", [{"status": 404}, {"status": 429, "retry_after": 1, "count": 2}], server="imds")
        self.assertEqual([self.ask()[0] for _ in range(4)], [404, 429, 429, 200])


class TokenEndpointTests(FakeTestCase):
    """entra.py."""

    def ask(self, tenant=TokenEndpoint.defaults["tenant"], **changes):
        """Asks for a token with these differences from a good form; None leaves a field out."""
        form = {"grant_type": "client_credentials", "client_id": TokenEndpoint.defaults["client_id"], "scope": SCOPE,
                "client_secret": TokenEndpoint.defaults["client_secret"]} | changes
        body = urllib.parse.urlencode({name: value for name, value in form.items() if value is not None}).encode()
        status, _, answer = fetch(
            f"{self.emulator.urls['entra']}/{tenant}/oauth2/v2.0/token", "POST",
            {"Content-Type": "application/x-www-form-urlencoded"}, body)
        return status, json.loads(answer)

    def test_a_secret(self):
        """Opens the storage until the token expires."""
        status, answer = self.ask()
        self.assertEqual((status, answer["expires_in"]), (200, 3599))
        self.assertEqual(self.opens(answer["access_token"]), 200)
        self.emulator.advance(3600)
        self.assertEqual(self.opens(answer["access_token"]), 401)

    def test_a_federated_token(self):
        """The newest file's content, not that of before."""
        assertion = {"client_secret": None, "client_assertion_type": JWT_BEARER, "client_assertion": "first"}
        self.assertEqual(self.ask(**assertion)[0], 200)
        self.emulator.control("POST", "settings", {"assertions": ["second"]}, server="entra")
        self.assertEqual(self.ask(**assertion)[0], 401)
        self.assertEqual(self.ask(**assertion | {"client_assertion": "second"})[0], 200)
        sent = [urllib.parse.parse_qs(entry["body"])["client_assertion"]
                for entry in self.emulator.control("GET", "requests", server="entra")["log"]]
        self.assertEqual(sent, [["first"], ["first"], ["second"]])

    def test_what_is_refused(self):
        """Every field counts, and none may be there beside them."""
        for changes, expected in (
                ({"tenant": "other"}, 400), ({"grant_type": "password"}, 400), ({"client_id": "x"}, 400),
                ({"scope": STORAGE}, 400), ({"client_secret": "x"}, 401), ({"client_secret": None}, 401),
                ({"client_assertion": "x"}, 401), ({"resource": STORAGE}, 401),
                ({"client_secret": None, "client_assertion": "x", "client_assertion_type": "jwt"}, 400)):
            status, answer = self.ask(**changes)
            self.assertEqual(status, expected, changes)
            self.assertIn("AADSTS", answer["error_description"])

    def test_permissions(self):
        """A token of a role that only reads."""
        self.emulator.control("POST", "settings", {"permissions": "r"}, server="entra")
        self.assertEqual(self.opens(self.ask()[1]["access_token"]), 403)


class AtlasTests(FakeTestCase):
    """atlas.py and digest.py."""

    settings = Atlas.defaults

    def setUp(self):
        super().setUp()
        self.project = f"{self.emulator.urls['atlas']}/api/atlas/v2/groups/{self.settings['group_id']}"
        self.headers = {"Accept": "application/vnd.atlas.2023-01-01+json", "Content-Type": "application/json",
                        "Authorization": f"Bearer {self.token()[1]['access_token']}"}

    def token(self, secret=settings["client_secret"], form="grant_type=client_credentials"):
        """A service account's token."""
        credentials = base64.b64encode(f"{self.settings['client_id']}:{secret}".encode()).decode()
        status, _, body = fetch(
            f"{self.emulator.urls['atlas']}/api/oauth/token", "POST",
            {"Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"},
            form.encode())
        return status, json.loads(body)

    def call(self, method, path, body=None, **headers):
        """One request with the service account's token, and the version that the resource has unless told otherwise."""
        version = ("2023-10-01" if "CompliancePolicy" in path else
                   "2023-01-01" if "/backup/s" in path and "schedule" not in path or "restore" in path else
                   "2024-08-05")
        headers = {"Accept": f"application/vnd.atlas.{version}+json"} | headers
        data = None if body is None else json.dumps(body).encode()
        status, _, answer = fetch(f"{self.project}/{path}", method, self.headers | headers, data)
        return status, json.loads(answer)

    def test_service_accounts(self):
        """Wrong secret, wrong form, an expired token."""
        self.assertEqual(self.token(secret="x")[0], 401)
        self.assertEqual(self.token(form="grant_type=password")[0], 400)
        self.assertEqual(self.call("GET", "clusters/Cluster0")[1]["name"], "Cluster0")
        self.emulator.advance(3601)
        self.assertEqual(self.call("GET", "clusters/Cluster0")[0], 401)

    def test_the_version_must_be_named(self):
        """Neither JSON as such nor a version that there never was."""
        for accept in ("application/json", "*/*", "application/vnd.atlas.2020-01-01+json",
                       "application/vnd.atlas.2023-01-01+json"):
            self.assertEqual(self.call("GET", "clusters/Cluster0", Accept=accept)[0], 406)
        for path in ("backupCompliancePolicy", "clusters/Cluster0/backup/schedule"):
            self.assertEqual(self.call("GET", path, Accept="application/vnd.atlas.2023-01-01+json")[0], 406)

    def test_snapshots(self):
        """Queued, in progress, completed; one at a time; listed in pages, the newest first."""
        body = {"description": "before the migration", "retentionInDays": 3}
        ids = []
        for _ in range(3):
            status, taken = self.call("POST", "clusters/Cluster0/backup/snapshots", body)
            self.assertEqual((status, taken["status"], taken["description"]), (200, "queued", body["description"]))
            self.assertEqual(self.call("POST", "clusters/Cluster0/backup/snapshots", body)[0], 409)
            path = f"clusters/Cluster0/backup/snapshots/{taken['id']}"
            self.assertEqual([self.call("GET", path)[1]["status"] for _ in range(2)], ["inProgress", "completed"])
            ids.append(taken["id"])
            self.emulator.advance(60)
        pages = [self.call("GET", f"clusters/Cluster0/backup/snapshots?itemsPerPage=2&pageNum={number}")[1]
                 for number in (1, 2)]
        self.assertEqual([one["id"] for page in pages for one in page["results"]], ids[::-1])
        self.assertEqual([page["totalCount"] for page in pages], [3, 3])
        self.assertEqual([[link["rel"] for link in page["links"]] for page in pages], [["self", "next"], ["self"]])
        self.assertEqual(self.call("GET", "clusters/Cluster1/backup/snapshots")[1]["totalCount"], 0)
        for wrong in ({"description": "x"}, {"retentionInDays": 0}, {"retentionInDays": 1, "other": 1}):
            self.assertEqual(self.call("POST", "clusters/Cluster0/backup/snapshots", wrong)[0], 400)

    def test_restore_jobs(self):
        """Of a complete snapshot, into a cluster that there is."""
        taken = self.call("POST", "clusters/Cluster0/backup/snapshots", {"retentionInDays": 1})[1]
        job = {"deliveryType": "automated", "snapshotId": taken["id"], "targetClusterName": "Cluster1",
               "targetGroupId": self.settings["group_id"]}
        jobs = "clusters/Cluster0/backup/restoreJobs"
        self.assertEqual(self.call("POST", jobs, job)[0], 409)
        for _ in range(2):
            self.call("GET", f"clusters/Cluster0/backup/snapshots/{taken['id']}")
        self.assertEqual(self.call("POST", jobs, job | {"targetClusterName": "x"})[0], 404)
        self.assertEqual(self.call("POST", jobs, {"deliveryType": "automated", "snapshotId": taken["id"]})[0], 400)
        started = self.call("POST", jobs, job)[1]
        looks = [self.call("GET", f"{jobs}/{started['id']}")[1] for _ in range(2)]
        self.assertEqual([("finishedAt" in look, look["failed"]) for look in looks], [(False, False), (True, False)])
        self.assertEqual(self.call("GET", jobs)[1]["totalCount"], 1)
        target = {"targetClusterName": "Cluster1", "targetGroupId": self.settings["group_id"]}
        for time, expected in (({"pointInTimeUTCSeconds": 1700000000}, 200), ({"oplogTs": 1700000000}, 400),
                               ({"oplogTs": 1700000000, "oplogInc": 7}, 200), ({"oplogTs": "1", "oplogInc": 7}, 400),
                               ({"pointInTimeUTCSeconds": 1, "oplogTs": 1, "oplogInc": 1}, 400)):
            self.assertEqual(self.call("POST", jobs, {"deliveryType": "pointInTime"} | target | time)[0], expected)
        link = self.call("POST", jobs, {"deliveryType": "download", "snapshotId": taken["id"]})[1]
        looks = [self.call("GET", f"{jobs}/{link['id']}")[1] for _ in range(2)]
        self.assertEqual(["deliveryUrl" in look for look in [link, *looks]], [False, False, True])

    def test_sharded_clusters(self):
        """Have resources of their own."""
        self.emulator.control("POST", "settings", {"sharded": ["Cluster1"]}, server="atlas")
        self.assertEqual(self.call("GET", "clusters/Cluster1")[1]["clusterType"], "SHARDED")
        snapshots = "clusters/Cluster1/backup/snapshots"
        taken = self.call("POST", snapshots, {"retentionInDays": 1})[1]
        self.assertEqual(taken["type"], "shardedCluster")
        self.assertEqual(self.call("GET", f"{snapshots}/{taken['id']}")[0], 404)
        self.assertEqual(self.call("GET", f"{snapshots}/shardedCluster/{taken['id']}")[1]["status"], "inProgress")
        self.assertEqual(self.call("GET", f"{snapshots}/shardedClusters")[1]["totalCount"], 1)

    def test_a_lost_answer(self):
        """The snapshot is taken although the answer says nothing of it."""
        self.emulator.control(
            "POST", "answers", [{"status": 503, "method": "POST", "path": "snapshots$", "after": True}], "atlas")
        snapshots = "clusters/Cluster0/backup/snapshots"
        self.assertEqual(self.call("POST", snapshots, {"retentionInDays": 1})[0], 503)
        self.assertEqual(self.call("GET", snapshots)[1]["totalCount"], 1)

    def test_policies(self):
        """What protects the snapshots."""
        self.assertTrue(self.call("GET", "backupCompliancePolicy")[1]["copyProtectionEnabled"])
        self.assertEqual(self.call("GET", "clusters/Cluster0/backup/schedule")[1]["clusterName"], "Cluster0")

    def test_rate_limits(self):
        """429 with Retry-After."""
        self.emulator.control("POST", "answers", [{"status": 429, "retry_after": 2, "path": "snapshots$"}], "atlas")
        self.assertEqual(self.call("GET", "clusters/Cluster0")[0], 200)
        self.assertEqual(self.call("GET", "clusters/Cluster0/backup/snapshots")[0], 429)
        self.assertEqual(self.call("GET", "clusters/Cluster0/backup/snapshots")[0], 200)

    @unittest.skipIf(shutil.which("curl") is None, "curl is not installed")
    def test_digest(self):
        """With the key pair, through curl, on a path with a query; and with a wrong key."""
        for key, expected in ((self.settings["private_key"], "200"), ("wrong", "401")):
            outcome = subprocess.run(
                ["curl", "--silent", "--digest", "--user", f"{self.settings['public_key']}:{key}", "--output",
                 "/dev/null", "--write-out", "%{http_code}", "--header", f"Accept: {self.headers['Accept']}",
                 f"{self.project}/clusters/Cluster0/backup/snapshots?itemsPerPage=1&pageNum=1"],
                capture_output=True, text=True, check=True)
            self.assertEqual(outcome.stdout, expected)


class DigestTests(unittest.TestCase):
    """digest.py, field by field."""

    def credentials(self, server, **changes):
        """An Authorization header's parameters, right but for `changes`."""
        nonce = server.challenge()["WWW-Authenticate"].split('nonce="')[1].split('"')[0]
        fields = {"username": "user", "realm": digest.REALM, "nonce": nonce, "uri": "/a?b=c", "qop": "auth",
                  "nc": "00000001", "cnonce": "0a4f113b", "algorithm": "MD5"} | changes
        fields.setdefault("response", server.response("GET", fields))
        plain = ("qop", "nc", "algorithm")
        return ", ".join(f"{name}={value}" if name in plain else f'{name}="{value}"' for name, value in fields.items())

    def test_the_example_of_rfc_2617(self):
        """§3.5: the response for Mufasa, with that realm."""
        server = digest.Digest("Mufasa", "Circle Of Life")
        fields = {"nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093", "uri": "/dir/index.html", "qop": "auth",
                  "nc": "00000001", "cnonce": "0a4f113b"}
        self.addCleanup(setattr, digest, "REALM", digest.REALM)
        digest.REALM = "testrealm@host.com"
        self.assertEqual(server.response("GET", fields), "6629fae49393a05397450978507c4ef1")

    def test_every_field(self):
        """A wrong one is refused, and so is the same answer twice."""
        server = digest.Digest("user", "password")
        good = self.credentials(server)
        self.assertIsNone(server.why_refused("GET", "/a?b=c", good))
        self.assertIn("replay", server.why_refused("GET", "/a?b=c", good))
        self.assertIsNotNone(server.why_refused("POST", "/a?b=c", self.credentials(server)))
        self.assertIsNotNone(server.why_refused("GET", "/a", self.credentials(server)))
        for name, value in (("username", "other"), ("realm", "x"), ("nonce", "x"), ("uri", "/a"), ("qop", "auth-int"),
                            ("nc", "1"), ("cnonce", ""), ("algorithm", "SHA-256"), ("response", "0" * 32),
                            ("extra", "x")):
            self.assertIsNotNone(server.why_refused("GET", "/a?b=c", self.credentials(server, **{name: value})), name)
        self.assertIsNotNone(server.why_refused("GET", "/a?b=c", good.replace("nc=00000001", 'nc="00000001"')))


if __name__ == "__main__":
    unittest.main()
