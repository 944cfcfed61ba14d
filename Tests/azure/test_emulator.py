"""What only an emulator can be asked: its clock, its settings, its faults, and who is let in to what."""

import base64
import contextlib
import datetime
import hashlib
import http.client
import os
import pathlib
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

from azure.core.exceptions import AzureError
from azure.storage.blob import (
    AccountSasPermissions, BlobBlock, BlobClient, BlobSasPermissions, BlobServiceClient, ContainerClient,
    ContainerSasPermissions, ExponentialRetry, ImmutabilityPolicy, ResourceTypes, StandardBlobTier,
    generate_account_sas, generate_blob_sas, generate_container_sas,
)

import checksums
from cases import StorageTestCase
from emulator import ACCOUNT, KEY
from harness import Emulator, fetch

HOUR = 3600
DAY = 24 * HOUR


def in_future(**parts):
    """A time from now on."""
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**parts)


class EmulatorTestCase(StorageTestCase):
    """One emulator for the tests of a class, as new for each of them."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.emulator = Emulator(*cls.options)
        cls.addClassCleanup(cls.emulator.stop)

    def setUp(self):
        self.emulator.control("POST", "reset")
        self.service = BlobServiceClient.from_connection_string(self.emulator.connection_string, retry_total=0)
        self.addCleanup(self.service.close)
        self.container = self.service.create_container("test")


class ClockTests(EmulatorTestCase):
    """What comes by waiting."""

    def test_rehydration(self):
        """Standard takes 15 hours, high priority one; then the blob is there."""
        for priority, seconds in (("Standard", 15 * HOUR), ("High", HOUR)):
            blob = self.put(priority, b"cold", standard_blob_tier=StandardBlobTier.ARCHIVE)
            blob.set_standard_blob_tier(StandardBlobTier.COOL, rehydrate_priority=priority)
            self.emulator.advance(seconds - 60)
            with self.refused("BlobBeingRehydrated", 409):
                blob.download_blob()
            listed = next(one for one in self.container.list_blobs() if one.name == priority)
            self.assertEqual((listed.archive_status, listed.blob_tier), ("rehydrate-pending-to-cool", "Archive"))
            self.emulator.advance(61)
            self.assertEqual(blob.download_blob().readall(), b"cold")
            found = blob.get_blob_properties()
            self.assertEqual((found.blob_tier, found.archive_status), ("Cool", None))

    def test_a_raised_priority(self):
        """Rehydration under way may be hastened and not be changed otherwise."""
        blob = self.put("name", standard_blob_tier=StandardBlobTier.ARCHIVE)
        blob.set_standard_blob_tier(StandardBlobTier.HOT)
        with self.refused("BlobBeingRehydrated", 409):
            blob.set_standard_blob_tier(StandardBlobTier.COOL)
        blob.set_standard_blob_tier(StandardBlobTier.HOT, rehydrate_priority="High")
        self.emulator.advance(HOUR + 1)
        self.assertEqual(blob.download_blob().readall(), b"data")

    def test_leases_run_out(self):
        """The holder who comes late has lost it."""
        blob = self.put("name")
        lease = blob.acquire_lease(30)
        self.emulator.advance(31)
        self.assertEqual(blob.get_blob_properties().lease.state, "expired")
        with self.refused("LeaseLost", 412):
            self.put("name", lease=lease)
        blob.acquire_lease(15)
        with self.refused("LeaseIdMismatchWithLeaseOperation", 409):
            lease.renew()

    def test_breaking_a_lease_takes_its_time(self):
        """Until then the holder's writes go on and nobody else may take it."""
        blob = self.put("name")
        lease = blob.acquire_lease(60)
        self.assertEqual(lease.break_lease(20), 20)
        self.assertEqual(blob.get_blob_properties().lease.state, "breaking")
        with self.refused("LeaseAlreadyPresent", 409):
            blob.acquire_lease(15)
        self.emulator.advance(21)
        self.assertEqual(blob.get_blob_properties().lease.state, "broken")
        blob.acquire_lease(15)

    def test_immutability(self):
        """Nothing changes before the time; a locked time does not come nearer."""
        blob = self.put("kept", b"kept")
        until = in_future(days=3)
        blob.set_immutability_policy(ImmutabilityPolicy(expiry_time=until, policy_mode="Unlocked"))
        self.assertEqual(blob.get_blob_properties().immutability_policy.policy_mode, "unlocked")
        for change in (blob.delete_blob, lambda: self.put("kept", b"x"), lambda: blob.set_blob_metadata({"a": "b"}),
                       lambda: blob.stage_block("aa", b"x"), self.container.delete_container):
            with self.refused("BlobImmutableDueToPolicy", 409):
                change()
        blob.set_immutability_policy(ImmutabilityPolicy(expiry_time=until, policy_mode="Locked"))
        with self.refused("BlobImmutableDueToPolicy", 409):
            blob.delete_immutability_policy()
        with self.refused("BlobImmutableDueToPolicy", 409):
            blob.set_immutability_policy(ImmutabilityPolicy(expiry_time=in_future(days=1), policy_mode="Locked"))
        blob.set_standard_blob_tier(StandardBlobTier.COOL)
        self.emulator.advance(3 * DAY + 1)
        blob.delete_blob()

    def test_legal_hold(self):
        """Holds until it is taken away."""
        blob = self.put("held")
        blob.set_legal_hold(True)
        self.emulator.advance(1000 * DAY)
        with self.refused("BlobImmutableDueToLegalHold", 409):
            blob.delete_blob()
        blob.set_legal_hold(False)
        blob.delete_blob()

    def test_immutable_from_the_start(self):
        """The policy may come with the bytes."""
        policy = ImmutabilityPolicy(expiry_time=in_future(days=3), policy_mode="Unlocked")
        blob = self.put("kept", immutability_policy=policy)
        listed, = self.container.list_blobs(include=["immutabilitypolicy"])
        self.assertEqual(listed.immutability_policy.policy_mode, "unlocked")
        with self.refused("BlobImmutableDueToPolicy", 409):
            blob.delete_blob()


class SettingsTests(EmulatorTestCase):
    """What an account may be set to."""

    def test_soft_delete(self):
        """What is deleted can be brought back as long as it is kept."""
        self.emulator.settings(soft_delete_days=7)
        blob = self.put("name", b"soft")
        blob.delete_blob()
        self.assertFalse(blob.exists())
        self.assertEqual(list(self.container.list_blobs()), [])
        listed, = self.container.list_blobs(include=["deleted"])
        self.assertEqual((listed.deleted, listed.remaining_retention_days), (True, 6))
        blob.undelete_blob()
        self.assertEqual(blob.download_blob().readall(), b"soft")
        blob.delete_blob()
        self.emulator.advance(8 * DAY)
        self.assertEqual(list(self.container.list_blobs(include=["deleted"])), [])
        with self.refused("BlobNotFound", 404):
            blob.undelete_blob()

    def test_versions(self):
        """What is replaced or deleted is still there under its version."""
        self.emulator.settings(versioning=True)
        blob = self.put("name", b"one")
        self.put("name", b"two")
        versions = [one.version_id for one in self.container.list_blobs(include=["versions"])]
        self.assertEqual(len(versions), 2)
        self.assertEqual(blob.download_blob(version_id=versions[0]).readall(), b"one")
        blob.delete_blob()
        with self.refused("BlobNotFound", 404):
            blob.download_blob()
        self.assertEqual(blob.download_blob(version_id=versions[1]).readall(), b"two")
        blob.delete_blob(version_id=versions[0])
        blob.delete_blob(version_id=versions[1])
        self.assertEqual(list(self.container.list_blobs(include=["versions"])), [])

    def test_the_size_of_a_single_put(self):
        """Above it only blocks will do."""
        self.emulator.settings(single_max=1000)
        self.put("small", b"x" * 1000)
        with self.refused("RequestBodyTooLarge", 413):
            self.put("large", b"x" * 1001)

    def test_requests_are_counted(self):
        """By operation: what a client costs."""
        self.emulator.control("DELETE", "requests")
        blob = self.put("name")
        blob.download_blob().readall()
        blob.delete_blob()
        self.assertEqual(self.emulator.counts(), {"PutBlob": 1, "GetBlob": 1, "DeleteBlob": 1})
        log = self.emulator.control("GET", "requests")["log"]
        self.assertEqual([(one["method"], one["status"]) for one in log], [("PUT", 201), ("GET", 206), ("DELETE", 202)])

    def test_latency(self):
        """Every request takes at least that long."""
        self.emulator.settings(latency_ms=50)
        began = time.monotonic()
        self.put("name")
        self.assertGreaterEqual(time.monotonic() - began, 0.05)

    def test_a_link_is_shared(self):
        """Two uploads at once take as long as one behind the other; other answers do not wait for them."""
        rate = 10 << 20
        self.emulator.settings(link=rate)
        began = time.monotonic()
        threads = [threading.Thread(target=self.put, args=(name, bytes(4 << 20))) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertGreaterEqual(time.monotonic() - began, (8 << 20) / rate - 0.2)

    def test_an_unknown_setting_is_said(self):
        """A test that misspells one must not pass."""
        for route, body in (("settings", {"soft_delete": 7}), ("faults", [{"stats": 503}]), ("faults", [{"nth": 2}])):
            status, _, _ = fetch(f"{self.emulator.urls['blob']}/_control/{route}", "POST",
                                 body=str(body).replace("'", '"').encode())
            self.assertEqual(status, 400)


class AuthorizationTests(EmulatorTestCase):
    """Who is let in, and to what."""

    def client(self, token, kind=ContainerClient):
        """A client with a shared access signature or none."""
        if kind is BlobClient:
            return BlobClient(self.emulator.url, "test", "name", credential=token, retry_total=0)
        return ContainerClient(self.emulator.url, "test", credential=token, retry_total=0)

    def container_token(self, permissions, **options):
        """A container's shared access signature."""
        options = {"expiry": in_future(hours=1), **options}
        return generate_container_sas(
            ACCOUNT, "test", account_key=KEY, permission=ContainerSasPermissions.from_string(permissions), **options)

    def test_a_wrong_key(self):
        """Neither for the account nor in a shared access signature."""
        wrong = base64.b64encode(os.urandom(64)).decode()
        credential = {"account_name": ACCOUNT, "account_key": wrong}
        with self.refused("AuthenticationFailed", 403):
            self.client(credential).upload_blob("name", b"")
        token = generate_container_sas(
            ACCOUNT, "test", account_key=wrong, permission=ContainerSasPermissions(read=True, list=True),
            expiry=in_future(hours=1))
        with self.refused("AuthenticationFailed", 403):
            list(self.client(token).list_blobs())

    def test_no_credentials(self):
        """The answer says how to get some."""
        status, headers, _ = fetch(f"{self.emulator.url}/test/name", headers={"x-ms-version": "2021-12-02"})
        self.assertEqual((status, headers["x-ms-error-code"]), (401, "NoAuthenticationInformation"))
        self.assertIn("Bearer", headers["WWW-Authenticate"])

    def test_every_signed_part(self):
        """A request whose method, path, query, header or date is not what was signed is refused."""
        self.put("name", b"data")
        sent = {}
        blob = self.container.get_blob_client("name")
        blob.download_blob(raw_response_hook=lambda pipeline: sent.update(
            headers=dict(pipeline.http_request.headers), url=pipeline.http_request.url))
        url, headers = sent["url"], sent["headers"]
        self.assertEqual(fetch(url, headers=headers)[0], 206)
        late = "Fri, 26 Jun 2015 23:39:12 GMT"
        changes = [
            (url, "DELETE", headers), (url.replace("name", "nam%65"), "GET", headers),
            (url + "?timeout=1", "GET", headers), (url, "GET", headers | {"x-ms-meta-a": "b"}),
            (url, "GET", headers | {"If-Match": "*"}), (url, "GET", headers | {"x-ms-date": late}),
        ]
        for changed_url, method, changed in changes:
            status, answer, _ = fetch(changed_url, method, changed)
            self.assertEqual((status, answer["x-ms-error-code"]), (403, "AuthenticationFailed"))

    def test_container_permissions(self):
        """Each letter allows what the documentation says, and nothing else."""
        self.put("name", b"data")
        allowed = {
            "r": {"read", "stat"}, "w": {"put", "put new", "block"}, "d": {"delete"}, "l": {"list"}, "c": {"put new"},
        }
        for letter, expected in allowed.items():
            client = self.client(self.container_token(letter))
            blob = client.get_blob_client("name")
            operations = {
                "read": lambda blob=blob: blob.download_blob().readall(), "stat": blob.get_blob_properties,
                "list": lambda client=client: list(client.list_blobs()),
                "put": lambda blob=blob: blob.upload_blob(b"data", overwrite=True),
                "put new": lambda client=client, letter=letter: client.upload_blob(f"new-{letter}", b"x"),
                "block": lambda blob=blob: blob.stage_block("aa", b"x"), "delete": blob.delete_blob,
            }
            for name, operation in operations.items():
                with self.subTest(letter=letter, operation=name):
                    if name in expected:
                        operation()
                        self.put("name", b"data")
                        continue
                    code = "UnauthorizedBlobOverwrite" if (letter, name) == ("c", "put") \
                        else "AuthorizationPermissionMismatch"
                    with self.refused(code, 403):
                        operation()

    def test_create_alone_commits_no_blocks(self):
        """Why a backup job needs `w` as soon as it writes something big: azure-cli issue 16899."""
        blob = self.client(self.container_token("c")).get_blob_client("new")
        with self.refused("AuthorizationPermissionMismatch", 403):
            blob.stage_block("aa", b"x")
        with self.refused("AuthorizationPermissionMismatch", 403):
            blob.commit_block_list([BlobBlock("aa")])

    def test_a_blobs_signature(self):
        """Is for that blob."""
        self.put("name")
        token = generate_blob_sas(
            ACCOUNT, "test", "name", account_key=KEY, permission=BlobSasPermissions(read=True),
            expiry=in_future(hours=1), content_type="text/x")
        blob = self.client(token, BlobClient)
        self.assertEqual(blob.download_blob().readall(), b"data")
        self.assertEqual(blob.get_blob_properties().size, 4)
        with self.refused("AuthenticationFailed", 403):
            self.client(token).get_blob_client("other").get_blob_properties()
        with self.refused("AuthenticationFailed", 403):
            list(self.client(token).list_blobs())

    def account_token(self, types, permissions, **options):
        """An account's shared access signature."""
        options = {"expiry": in_future(hours=1), **options}
        return generate_account_sas(
            ACCOUNT, KEY, ResourceTypes.from_string(types), AccountSasPermissions.from_string(permissions), **options)

    def test_an_accounts_signature(self):
        """Services, resource types and permissions."""
        everything = BlobServiceClient(
            self.emulator.url, credential=self.account_token("sco", "rwdlac"), retry_total=0)
        everything.create_container("other").upload_blob("name", b"data")
        self.assertEqual({one.name for one in everything.list_containers()}, {"test", "other"})
        objects = self.client(self.account_token("o", "rwdl"))
        objects.upload_blob("name", b"data")
        with self.refused("AuthorizationResourceTypeMismatch", 403):
            list(objects.list_blobs())
        with self.refused("AuthorizationPermissionMismatch", 403):
            self.client(self.account_token("o", "r")).upload_blob("x", b"")

    def test_a_container_signature_does_not_reach_the_container(self):
        """It can be listed, and neither made nor removed."""
        client = self.client(self.container_token("racwdl"))
        for operation in (client.delete_container, client.create_container, client.get_container_properties):
            with self.refused("AuthorizationFailure", 403):
                operation()

    def test_times(self):
        """Neither before nor after; by the service's clock."""
        early = self.container_token("l", start=in_future(hours=1), expiry=in_future(hours=2))
        with self.refused("AuthenticationFailed", 403):
            list(self.client(early).list_blobs())
        client = self.client(self.container_token("l"))
        list(client.list_blobs())
        self.emulator.advance(HOUR + 1)
        with self.refused("AuthenticationFailed", 403):
            list(client.list_blobs())

    def test_protocol_and_address(self):
        """A signature for https is none for http, one for another address none for this."""
        with self.refused("AuthorizationProtocolMismatch", 403):
            list(self.client(self.container_token("l", protocol="https")).list_blobs())
        with self.refused("AuthorizationSourceIPMismatch", 403):
            list(self.client(self.container_token("l", ip="168.1.5.60-168.1.5.70")).list_blobs())
        list(self.client(self.container_token("l", ip="127.0.0.0-127.0.0.9")).list_blobs())

    def test_an_altered_signature(self):
        """More permissions, or more time, than were signed."""
        token = self.container_token("r")
        for altered in (token.replace("sp=r", "sp=rwdl"), token.replace("se=2", "se=3")):
            self.assertNotEqual(altered, token)
            with self.refused("AuthenticationFailed", 403):
                list(self.client(altered).list_blobs())


class FaultTests(EmulatorTestCase):
    """What goes wrong, goes wrong as a rule says, and the SDK gets over what can be got over."""

    def patient(self):
        """A container client that tries again."""
        service = BlobServiceClient.from_connection_string(
            self.emulator.connection_string, max_block_size=1 << 20, max_single_put_size=4 << 20,
            retry_policy=ExponentialRetry(initial_backoff=0, increment_base=0, retry_total=4, random_jitter_range=0))
        self.addCleanup(service.close)
        return service.get_container_client("test")

    def url(self, name):
        """A blob's URL with a signature that allows all."""
        token = generate_container_sas(
            ACCOUNT, "test", account_key=KEY, permission=ContainerSasPermissions.from_string("racwdl"),
            expiry=in_future(hours=1))
        return f"{self.emulator.url}/test/{urllib.parse.quote(name)}?{token}"

    def test_busy(self):
        """503 with Retry-After, then as ever."""
        self.emulator.faults({"status": 503, "retry_after": 0, "count": 3, "operation": "PutBlob"})
        self.patient().upload_blob("name", b"data")
        self.assertEqual(self.emulator.counts()["PutBlob"], 4)
        self.emulator.faults({"status": 500, "code": "InternalError", "retry_after": 7})
        status, headers, body = fetch(self.url("name"))
        self.assertEqual((status, headers["Retry-After"], headers["x-ms-error-code"]), (500, "7", "InternalError"))
        self.assertIn(b"<Code>InternalError</Code>", body)

    def test_the_nth(self):
        """A rule counts what it applies to, and nothing else."""
        self.emulator.faults({"status": 503, "method": "GET", "path": "/b$", "nth": 2, "count": 2})
        self.put("a")
        self.put("b")
        statuses = [fetch(self.url(name))[0] for name in "abababab"]
        self.assertEqual(statuses, [200, 200, 200, 503, 200, 503, 200, 200])
        self.assertEqual(self.emulator.control("GET", "faults")["remaining"], [0])

    def test_a_reset_in_a_request(self):
        """What came is not kept; the block is sent again."""
        self.emulator.faults({"reset_request_after": 300_000, "comp": "block", "count": 2})
        data = os.urandom(6 << 20)
        self.patient().upload_blob("name", data)
        self.assertEqual(self.container.download_blob("name").readall(), data)

    def test_a_reset_in_an_answer(self):
        """The client sees the connection die after as many bytes as the rule says."""
        data = os.urandom(1 << 20)
        self.put("name", data)
        for action, error in (("reset_response_after", ConnectionResetError),
                              ("truncate_response_after", http.client.IncompleteRead)):
            self.emulator.faults({action: 300_000, "method": "GET"})
            with self.assertRaises(error):
                fetch(self.url("name"))
            self.emulator.faults({action: 70_000, "method": "GET"})
            self.assertEqual(self.patient().download_blob("name").readall(), data)

    def test_a_lost_answer(self):
        """The work is done, and a client that tries again must find that out."""
        self.emulator.faults({"lose_answer": True, "operation": "PutBlob"})
        with self.refused("BlobAlreadyExists", 409):
            self.patient().upload_blob("name", b"data")
        self.assertEqual(self.container.download_blob("name").readall(), b"data")

    def test_flipped_bytes(self):
        """A checksum notices them in both directions."""
        blob = self.put("name", b"data" * 100)
        self.emulator.faults({"flip_response_byte": 17, "operation": "GetBlob"})
        with self.assertRaisesRegex(AzureError, "MD5 mismatch"):
            blob.download_blob(validate_content=True).readall()
        self.emulator.faults({"flip_response_byte": 17, "operation": "GetBlob"})
        damaged = blob.download_blob().readall()
        self.assertEqual(sum(a != b for a, b in zip(damaged, b"data" * 100)), 1)
        self.assertEqual(blob.download_blob().readall(), b"data" * 100)
        self.emulator.faults({"flip_request_byte": 3, "operation": "PutBlob"})
        with self.refused("Md5Mismatch", 400):
            self.put("name", b"other", validate_content=True)

    def test_crc64(self):
        """The other checksum, for which this SDK has no option: on a blob, on a block and of a range."""
        data = os.urandom(50_000)
        crc64 = checksums.crc64_base64([data])
        for url in (self.url("name"), self.url("name") + "&comp=block&blockid=YWE%3D"):
            headers = {"x-ms-blob-type": "BlockBlob", "x-ms-content-crc64": crc64, "x-ms-version": "2021-12-02"}
            status, answer, _ = fetch(url, "PUT", headers, data)
            self.assertEqual((status, answer["x-ms-content-crc64"]), (201, crc64))
            status, answer, _ = fetch(url, "PUT", headers, data[:-1] + b"x")
            self.assertEqual((status, answer["x-ms-error-code"]), (400, "Crc64Mismatch"))
        asked = {"x-ms-range": "bytes=10-99", "x-ms-range-get-content-crc64": "true", "x-ms-version": "2021-12-02"}
        status, answer, body = fetch(self.url("name"), headers=asked)
        self.assertEqual((status, body), (206, data[10:100]))
        self.assertEqual(answer["x-ms-content-crc64"], checksums.crc64_base64([body]))
        self.assertEqual(base64.b64decode(answer["x-ms-blob-content-md5"]), hashlib.md5(data).digest())

    def test_slow(self):
        """A body takes its time."""
        self.put("name", b"x" * 3000)
        self.emulator.faults({"bytes_per_second": 20_000, "operation": "GetBlob"})
        began = time.monotonic()
        fetch(self.url("name"))
        self.assertGreaterEqual(time.monotonic() - began, 0.14)


class TransportTests(unittest.TestCase):
    """Addresses, TLS, bodies in files, headers that wait."""

    def round_trip(self, emulator, size, **options):
        """Puts and gets a blob of `size` random bytes."""
        service = BlobServiceClient.from_connection_string(
            emulator.connection_string, retry_total=0, max_single_put_size=64 << 20, **options)
        with service:
            container = service.create_container("test")
            data = os.urandom(size)
            container.upload_blob("name", data)
            self.assertEqual(container.download_blob("name").readall(), data)

    def start(self, *options):
        """An emulator that ends with the test."""
        emulator = Emulator(*options)
        self.addCleanup(emulator.stop)
        return emulator

    def test_ipv6(self):
        """In brackets."""
        emulator = self.start("--host", "::1")
        self.assertTrue(emulator.url.startswith("http://[::1]:"))
        self.round_trip(emulator, 1000)

    def test_bodies_in_files(self):
        """The folder looks empty all the time: nothing is left, however the process ends."""
        with tempfile.TemporaryDirectory() as folder:
            emulator = self.start("--directory", folder)
            self.round_trip(emulator, 20 << 20)
            self.assertEqual(os.listdir(folder), [])

    def test_tls(self):
        """With a certificate that the client must be told to trust."""
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = pathlib.Path(folder, "c.pem"), pathlib.Path(folder, "k.pem")
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                 "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                check=True, capture_output=True)
            emulator = self.start("--tls", str(certificate), str(key))
            self.round_trip(emulator, 5 << 20, connection_verify=str(certificate))
            with self.assertRaises(AzureError):
                self.round_trip(emulator, 1)

    def test_expect(self):
        """A body is asked for before it comes, and not asked for where it would be refused."""
        emulator = self.start()
        for signature, expected in ((f"?{self.signature()}", [b"100", b"404"]), ("", [b"401"])):
            host = urllib.parse.urlsplit(emulator.url)
            with contextlib.closing(http.client.HTTPConnection(host.hostname, host.port)) as connection:
                connection.putrequest("PUT", f"/{ACCOUNT}/none/name{signature}")
                for field in (("Content-Length", "4"), ("Expect", "100-continue"), ("x-ms-blob-type", "BlockBlob"),
                              ("x-ms-version", "2021-12-02")):
                    connection.putheader(*field)
                connection.endheaders()
                answers = connection.sock.makefile("rb")
                statuses = [answers.readline().split()[1]]
                if statuses == [b"100"]:
                    answers.readline()
                    connection.send(b"data")
                    statuses.append(answers.readline().split()[1])
                self.assertEqual(statuses, expected)

    @staticmethod
    def signature():
        """One for everything."""
        return generate_account_sas(
            ACCOUNT, KEY, ResourceTypes.from_string("sco"), AccountSasPermissions.from_string("rwdlac"),
            expiry=in_future(hours=1))

    def test_chunked_bodies(self):
        """A client that does not know the length."""
        emulator = self.start()
        with BlobServiceClient.from_connection_string(emulator.connection_string) as service:
            service.create_container("test")
        host = urllib.parse.urlsplit(emulator.url)
        with contextlib.closing(http.client.HTTPConnection(host.hostname, host.port)) as connection:
            headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"}
            target = f"/{ACCOUNT}/test/name?{self.signature()}"
            connection.request("PUT", target, iter([b"one", b"two" * 1000]), headers, encode_chunked=True)
            self.assertEqual(connection.getresponse().read(), b"")
            connection.request("GET", target)
            self.assertEqual(connection.getresponse().read(), b"one" + b"two" * 1000)


if __name__ == "__main__":
    unittest.main()
