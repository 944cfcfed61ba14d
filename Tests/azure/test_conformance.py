"""What a client of Azure Blob Storage may rely on, asked by Microsoft's SDK.

It runs against the emulator or, where CAIRN_TEST_AZURE_CONNECTION_STRING names one, a real account: what passes here
and there is the same behaviour. Clocks, faults and settings, which a real account has not, are in test_emulator.py.
"""

import base64
import hashlib
import os
import unittest
import uuid

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobServiceClient, ContentSettings, StandardBlobTier

from cases import StorageTestCase
from harness import Emulator

REAL = os.environ.get("CAIRN_TEST_AZURE_CONNECTION_STRING")
ODD_NAMES = [
    "a b", "a+b", "a%20b", "a%2Fb", "100%", "a?b", "a#b", "a&b=c", "ä/ö/ü", "\U0001F980/é", "a//b", "a'b\"c", "<a>",
    "a;b", "a:b@c", "data/00/" + "0123456789abcdef" * 4, "(a)[b]{c}", "~a!$*,", "日本語", "x" * 900,
]


class Conformance(StorageTestCase):
    """Each test has a container of its own."""

    @classmethod
    def setUpClass(cls):
        cls.emulator = None if REAL else Emulator()
        cls.service = BlobServiceClient.from_connection_string(
            REAL or cls.emulator.connection_string, retry_total=0, max_single_put_size=1 << 20,
            max_block_size=256 << 10)

    @classmethod
    def tearDownClass(cls):
        cls.service.close()
        if cls.emulator is not None:
            cls.emulator.stop()

    def setUp(self):
        self.container = self.service.create_container(f"test-{uuid.uuid4().hex}")
        self.addCleanup(self.container.delete_container)

    def test_put_if_absent(self):
        """The first one wins, and nothing of the second is seen."""
        self.container.upload_blob("once", b"first")
        with self.refused("BlobAlreadyExists", 409):
            self.container.upload_blob("once", b"second")
        self.assertEqual(self.container.download_blob("once").readall(), b"first")

    def test_put_if_absent_in_blocks(self):
        """The same for a list of blocks."""
        self.container.upload_blob("once", os.urandom(3 << 20))
        with self.refused("BlobAlreadyExists", 409):
            self.container.upload_blob("once", os.urandom(3 << 20))

    def test_replace(self):
        """Another state has another ETag, and the new bytes at once."""
        blob = self.put("name", b"one")
        before = blob.get_blob_properties().etag
        self.put("name", b"twice")
        self.assertNotEqual(blob.get_blob_properties().etag, before)
        self.assertEqual(blob.download_blob().readall(), b"twice")

    def test_ranges(self):
        """From, to, beyond the end; the checksum of a range; nothing beyond the end."""
        data = os.urandom(100_000)
        blob = self.put("ranged", data)
        for offset, length in ((0, 1), (10, 100), (99_999, 1), (50_000, 50_000), (99_000, 5_000)):
            got = blob.download_blob(offset=offset, length=length, validate_content=True).readall()
            self.assertEqual(got, data[offset:offset + length])
        self.assertEqual(blob.download_blob(offset=99_000).readall(), data[99_000:])
        with self.refused("InvalidRange", 416):
            blob.download_blob(offset=100_000, length=10)

    def test_empty_blob(self):
        """Nothing is something."""
        blob = self.put("empty", b"")
        self.assertEqual(blob.get_blob_properties().size, 0)
        self.assertEqual(blob.download_blob().readall(), b"")

    def test_list_in_pages(self):
        """Every name once, in order, whatever the page's size; a prefix; a level."""
        names = sorted(f"{letter}/{number:02}" for letter in "abc" for number in range(9))
        for name in names:
            self.put(name)
        for size in (1, 4, 26, 27, 5000):
            found = self.container.list_blobs(results_per_page=size).by_page()
            pages = [[blob.name for blob in page] for page in found]
            self.assertEqual([name for page in pages for name in page], names)
            self.assertLessEqual(max(len(page) for page in pages), size)
        found = self.container.list_blobs(name_starts_with="b/0", results_per_page=5)
        self.assertEqual([blob.name for blob in found], names[9:18])
        self.assertEqual([item.name for item in self.container.walk_blobs(results_per_page=2)], ["a/", "b/", "c/"])
        level = self.container.walk_blobs(name_starts_with="b/", results_per_page=2)
        self.assertEqual([item.name for item in level], names[9:18])

    def test_list_tells_properties(self):
        """Size, MD5, metadata, tier: what a copy of a repository decides by."""
        data = os.urandom(1000)
        self.put("listed", data, metadata={"k": "v"}, standard_blob_tier=StandardBlobTier.COOL)
        found, = self.container.list_blobs(include=["metadata"])
        self.assertEqual((found.size, found.metadata, found.blob_tier), (1000, {"k": "v"}, "Cool"))
        self.assertEqual(bytes(found.content_settings.content_md5), hashlib.md5(data).digest())
        self.assertEqual(found.etag, self.container.get_blob_client("listed").get_blob_properties().etag.strip('"'))

    def test_stat(self):
        """What there is, and what there is not."""
        data = os.urandom(5000)
        settings = ContentSettings(content_type="text/x", content_encoding="gzip", cache_control="no-cache")
        blob = self.put("there", data, metadata={"a": "1", "b_2": "x y"}, content_settings=settings)
        found = blob.get_blob_properties()
        self.assertEqual((found.size, found.metadata), (5000, {"a": "1", "b_2": "x y"}))
        self.assertEqual((found.content_settings.content_type, found.content_settings.content_encoding),
                         ("text/x", "gzip"))
        self.assertEqual(bytes(found.content_settings.content_md5), hashlib.md5(data).digest())
        missing = self.container.get_blob_client("missing")
        self.assertFalse(missing.exists())
        with self.assertRaises(ResourceNotFoundError):
            missing.get_blob_properties()
        with self.refused("BlobNotFound", 404):
            missing.download_blob()

    def test_missing_container(self):
        """Is told from a missing blob."""
        other = self.service.get_container_client(f"none-{uuid.uuid4().hex}")
        with self.refused("ContainerNotFound", 404):
            other.upload_blob("name", b"")
        with self.refused("ContainerNotFound", 404):
            list(other.list_blobs())

    def test_container_names(self):
        """Lower case, digits and single hyphens."""
        for name in ("ab", "Upper", "a--b", "-ab", "ab-", "a_b", "x" * 64):
            with self.refused("InvalidResourceName", 400):
                self.service.create_container(name)

    def test_delete(self):
        """Gone is gone, and cannot go twice."""
        blob = self.put("gone")
        blob.delete_blob()
        self.assertFalse(blob.exists())
        with self.refused("BlobNotFound", 404):
            blob.delete_blob()
        self.assertEqual(list(self.container.list_blobs()), [])

    def test_blocks(self):
        """Above the size of a single put, one after the other and side by side."""
        data = os.urandom((5 << 20) + 12_345)
        for concurrency in (1, 4):
            blob = self.put("big", data, max_concurrency=concurrency, validate_content=True)
            committed, uncommitted = blob.get_block_list("all")
            self.assertEqual((sum(block.size for block in committed), uncommitted), (len(data), []))
            self.assertEqual(len(committed), -(-len(data) // (256 << 10)))
            self.assertEqual(blob.download_blob(max_concurrency=concurrency).readall(), data)

    def test_block_lists(self):
        """Order, reuse, replacement, and what the service refuses."""
        blob = self.container.get_blob_client("blocks")
        for name in ("aa", "bb"):
            blob.stage_block(name, name.encode())
        self.assertFalse(blob.exists())
        blob.commit_block_list([BlobBlock("bb"), BlobBlock("aa"), BlobBlock("bb")])
        self.assertEqual(blob.download_blob().readall(), b"bbaabb")
        blob.stage_block("bb", b"B2")
        blob.commit_block_list([BlobBlock("aa"), BlobBlock("bb")])
        self.assertEqual(blob.download_blob().readall(), b"aaB2")
        with self.refused("InvalidBlockList", 400):
            blob.commit_block_list([BlobBlock("cc")])
        blob.stage_block("dd", b"d")
        with self.refused("InvalidBlobOrBlock", 400):
            blob.stage_block("longer", b"x")

    def test_uncommitted_blobs(self):
        """A blob of blocks alone is listed only where that is asked for."""
        self.container.get_blob_client("waiting").stage_block("aa", b"x")
        self.assertEqual(list(self.container.list_blobs()), [])
        found = self.container.list_blobs(include=["uncommittedblobs"])
        self.assertEqual([blob.name for blob in found], ["waiting"])

    def test_odd_names(self):
        """What is put under a name is listed, read and deleted under that name."""
        for name in ODD_NAMES:
            with self.subTest(name=name):
                data = name.encode()
                blob = self.put(name, data)
                self.assertEqual(blob.download_blob().readall(), data)
                found = [one.name for one in self.container.list_blobs(name_starts_with=name)]
                self.assertEqual(found, [name])
                blob.delete_blob()

    def test_md5(self):
        """A wrong checksum is refused, and nothing is written."""
        blob = self.container.get_blob_client("md5")
        wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        with self.refused("Md5Mismatch", 400):
            blob.upload_blob(b"data", headers={"Content-MD5": wrong})
        with self.refused("Md5Mismatch", 400):
            blob.stage_block("aa", b"data", headers={"Content-MD5": wrong})
        self.assertFalse(blob.exists())
        blob.upload_blob(b"data", validate_content=True)

    def test_md5_of_blocks(self):
        """The service computes none for a list of blocks: it is what the client says."""
        data = os.urandom(2 << 20)
        self.assertIsNone(self.put("without", data).get_blob_properties().content_settings.content_md5)
        digest = bytearray(hashlib.md5(data).digest())
        blob = self.put("with", data, content_settings=ContentSettings(content_md5=digest))
        self.assertEqual(blob.get_blob_properties().content_settings.content_md5, digest)

    def test_conditions(self):
        """ETags and times, on writing, reading and deleting."""
        blob = self.put("conditional", b"one")
        old = blob.get_blob_properties()
        new = self.put("conditional", b"two").get_blob_properties()
        with self.refused("ConditionNotMet", 412):
            self.put("conditional", b"x", etag=old.etag, match_condition=MatchConditions.IfNotModified)
        self.put("conditional", b"three", etag=new.etag, match_condition=MatchConditions.IfNotModified)
        with self.refused("ConditionNotMet", 412):
            blob.delete_blob(etag=old.etag, match_condition=MatchConditions.IfNotModified)
        with self.refused("ConditionNotMet", 412):
            blob.download_blob(etag=old.etag, match_condition=MatchConditions.IfNotModified)
        now = blob.get_blob_properties()
        with self.refused("ConditionNotMet", 304):
            blob.download_blob(etag=now.etag, match_condition=MatchConditions.IfModified)
        with self.refused("ConditionNotMet", 304):
            blob.get_blob_properties(if_modified_since=now.last_modified)
        blob.get_blob_properties(if_unmodified_since=now.last_modified)

    def test_condition_on_what_is_not_there(self):
        """If-Match wants something."""
        with self.refused("ConditionNotMet", 412):
            self.put("none", etag='"0x1"', match_condition=MatchConditions.IfNotModified)

    def test_metadata(self):
        """Is replaced as a whole, and changes the ETag."""
        blob = self.put("described", metadata={"a": "1"})
        before = blob.get_blob_properties().etag
        blob.set_blob_metadata({"b": "2"})
        found = blob.get_blob_properties()
        self.assertEqual(found.metadata, {"b": "2"})
        self.assertNotEqual(found.etag, before)

    def test_tiers(self):
        """Online ones change at once; an archived blob can be seen and deleted, and neither read nor replaced."""
        blob = self.put("tiered", b"data")
        self.assertTrue(blob.get_blob_properties().blob_tier_inferred)
        for tier in (StandardBlobTier.COOL, StandardBlobTier.COLD, StandardBlobTier.HOT, StandardBlobTier.ARCHIVE):
            blob.set_standard_blob_tier(tier)
            self.assertEqual(blob.get_blob_properties().blob_tier, tier.value)
        with self.refused("BlobArchived", 409):
            blob.download_blob()
        with self.refused("BlobArchived", 409):
            self.put("tiered", b"more")
        with self.refused("BlobArchived", 409):
            self.put("tiered", os.urandom(2 << 20))
        blob.set_standard_blob_tier(StandardBlobTier.HOT, rehydrate_priority="High")
        found = blob.get_blob_properties()
        self.assertEqual((found.blob_tier, found.archive_status), ("Archive", "rehydrate-pending-to-hot"))
        self.assertEqual(found.rehydrate_priority, "High")
        blob.delete_blob()

    def test_leases(self):
        """Who holds the lease writes; the others wait."""
        blob = self.put("leased")
        lease = blob.acquire_lease(15)
        self.assertEqual(blob.get_blob_properties().lease.state, "leased")
        with self.refused("LeaseIdMissing", 412):
            self.put("leased", b"x")
        with self.refused("LeaseIdMissing", 412):
            blob.delete_blob()
        with self.refused("LeaseIdMismatchWithBlobOperation", 412):
            self.put("leased", b"x", lease=str(uuid.uuid4()))
        with self.refused("LeaseAlreadyPresent", 409):
            blob.acquire_lease(15)
        self.put("leased", b"mine", lease=lease)
        lease.renew()
        known = lease.id
        lease.release()
        with self.refused("LeaseNotPresentWithBlobOperation", 412):
            self.put("leased", b"x", lease=known)
        lease = blob.acquire_lease(-1)
        self.assertEqual(lease.break_lease(0), 0)
        self.assertEqual(blob.get_blob_properties().lease.state, "broken")
        self.put("leased", b"free")

    def test_copy(self):
        """Within the account a copy is there at once, with its metadata."""
        source = self.put("source", b"copied", metadata={"k": "v"})
        target = self.container.get_blob_client("target")
        self.assertEqual(target.start_copy_from_url(source.url)["copy_status"], "success")
        self.assertEqual(target.download_blob().readall(), b"copied")
        self.assertEqual(target.get_blob_properties().metadata, {"k": "v"})

    def test_snapshots(self):
        """A snapshot stays as it was, and the blob does not go while it has one."""
        blob = self.put("kept", b"old")
        moment = blob.create_snapshot()["snapshot"]
        self.put("kept", b"new")
        self.assertEqual(self.container.get_blob_client("kept", snapshot=moment).download_blob().readall(), b"old")
        self.assertEqual(len(list(self.container.list_blobs(include=["snapshots"]))), 2)
        with self.refused("SnapshotsPresent", 409):
            blob.delete_blob()
        blob.delete_blob(delete_snapshots="include")
        self.assertFalse(blob.exists())


if __name__ == "__main__":
    unittest.main()
