"""The emulator as rclone sees it: a client of another language, with another library, by people who know nothing of it.

rclone 1.60 takes a key for https alone, so it comes with a shared access signature of the account.
"""

import datetime
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse

import signatures
from emulator import ACCOUNT, KEY
from harness import Emulator, fetch

RCLONE = shutil.which("rclone")
ODD_NAMES = ["a b", "a+b", "100%", "ä ö", "a'b", "a&b=c", "deep/er/and/deeper", "#1", "q?"]


def account_token():
    """A shared access signature for everything, for an hour."""
    expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    query = {"sv": "2021-12-02", "ss": "b", "srt": "sco", "sp": "rwdlac", "se": expiry.strftime("%Y-%m-%dT%H:%M:%SZ"),
             "spr": "https,http"}
    query["sig"] = signatures.sign(KEY, signatures.account_sas_text(ACCOUNT, query))
    return urllib.parse.urlencode(query)


@unittest.skipIf(RCLONE is None, "rclone is not installed")
class RcloneTests(unittest.TestCase):
    """copy, check, list, cat, tiers, delete."""

    def setUp(self):
        self.emulator = Emulator()
        self.addCleanup(self.emulator.stop)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.source = self.folder / "source"
        self.token = account_token()
        self.url = f"{self.emulator.url}?{self.token}"
        status, _, _ = fetch(f"{self.emulator.url}/box?restype=container&{self.token}", "PUT",
                             {"x-ms-version": "2021-12-02"})
        self.assertEqual(status, 201)

    def rclone(self, *arguments, succeeds=True):
        """Runs rclone with the remote `emulator:`; returns what it wrote."""
        environment = os.environ | {
            "RCLONE_CONFIG": os.devnull, "RCLONE_CONFIG_EMULATOR_TYPE": "azureblob",
            "RCLONE_CONFIG_EMULATOR_SAS_URL": self.url,
        }
        outcome = subprocess.run(
            [RCLONE, "--retries", "1", "--low-level-retries", "3", *map(str, arguments)], env=environment,
            capture_output=True, timeout=120, check=False)
        if succeeds:
            self.assertEqual(outcome.returncode, 0, outcome.stderr.decode())
        else:
            self.assertNotEqual(outcome.returncode, 0)
        return outcome.stdout

    def write_source(self):
        """Files of every size that matters: none, small, several blocks; and names that need quoting."""
        generator = random.Random(20261123)
        sizes = {"empty": 0, "one": 1, "big": (9 << 20) + 17} | {name: 1000 for name in ODD_NAMES}
        for name, size in sizes.items():
            path = self.source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(generator.randbytes(size))
        return sizes

    def test_copy_and_check(self):
        """What was copied is there, by its checksums and by its bytes; a second copy moves nothing."""
        sizes = self.write_source()
        arguments = ("--azureblob-upload-cutoff", "4M", "--azureblob-chunk-size", "1M")
        self.rclone("copy", *arguments, self.source, "emulator:box")
        self.assertGreaterEqual(self.emulator.counts()["PutBlock"], 10)
        self.rclone("check", self.source, "emulator:box")
        self.rclone("check", "--download", self.source, "emulator:box")
        self.emulator.control("DELETE", "requests")
        self.rclone("copy", *arguments, self.source, "emulator:box")
        self.assertNotIn("PutBlob", self.emulator.counts())
        listed = self.rclone("lsf", "--recursive", "--files-only", "--format", "ps", "emulator:box").decode()
        self.assertEqual(
            {line.rpartition(";")[0]: int(line.rpartition(";")[2]) for line in listed.splitlines()}, sizes)
        self.rclone("copy", "emulator:box", self.folder / "back")
        self.rclone("check", self.source, self.folder / "back")

    def test_pages(self):
        """A listing in many small pages is complete."""
        (self.source / "many").mkdir(parents=True)
        for number in range(57):
            (self.source / "many" / f"{number:03}").write_bytes(b"x")
        self.rclone("copy", "--transfers", "16", self.source, "emulator:box")
        for size in ("1", "10", "57"):
            listed = self.rclone("lsf", "--azureblob-list-chunk", size, "emulator:box/many").decode().split()
            self.assertEqual(listed, [f"{number:03}" for number in range(57)])
        self.assertEqual(self.rclone("lsf", "emulator:").decode().split(), ["box/"])

    def test_ranges(self):
        """cat from an offset."""
        self.write_source()
        self.rclone("copy", self.source, "emulator:box")
        data = (self.source / "big").read_bytes()
        got = self.rclone("cat", "--offset", 5_000_000, "--count", 1234, "emulator:box/big")
        self.assertEqual(got, data[5_000_000:5_001_234])
        self.assertEqual(self.rclone("cat", "--offset", -17, "emulator:box/big"), data[-17:])

    def test_delete_and_tiers(self):
        """Set a tier, see it refuse, delete."""
        self.write_source()
        self.rclone("copy", self.source, "emulator:box")
        self.rclone("settier", "archive", "emulator:box/big")
        self.assertEqual(
            self.rclone("lsf", "--format", "T", "emulator:box/big").decode().strip().lower(), "archive")
        self.rclone("cat", "emulator:box/big", succeeds=False)
        self.rclone("deletefile", "emulator:box/big")
        self.rclone("purge", "emulator:box")
        self.assertEqual(self.rclone("lsf", "emulator:"), b"")

    def test_faults(self):
        """A storm of refusals is weathered."""
        self.write_source()
        self.emulator.faults({"status": 503, "retry_after": 0, "operation": "PutBlob", "count": 5})
        self.rclone("copy", "--low-level-retries", "20", self.source, "emulator:box")
        self.rclone("check", self.source, "emulator:box")

    def test_a_wrong_key(self):
        """No way in."""
        self.url = self.url.replace("sp=rwdlac", "sp=rwdlacx")
        self.rclone("lsf", "emulator:box", succeeds=False)


if __name__ == "__main__":
    unittest.main()
