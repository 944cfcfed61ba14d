"""What is signed, against the examples that the documentation publishes.

The documentation gives strings to sign and no key, so the HMAC itself is checked with the vectors of RFC 4231, and as a
whole by the clients in test_emulator.py.
"""

import base64
import unittest

import checksums
import signatures

BODY_32_KIB = bytes(range(256)) * 128


class SharedKeyTests(unittest.TestCase):
    """learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key."""

    def test_the_example_of_the_string_to_sign(self):
        """The one under "Specifying the Authorization header": Get Container Metadata."""
        headers = [("x-ms-version", "2015-02-21"), ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT")]
        text = signatures.shared_key_text(
            "GET", headers, "myaccount", "/mycontainer", "comp=metadata&restype=container&timeout=20")
        self.assertEqual(text, (
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
            "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"))

    def test_the_example_of_canonicalized_headers(self):
        """Names in lower case and in order, however they were sent."""
        headers = [("X-MS-Version", "2014-02-14"), ("Host", "x"), ("x-ms-date", " Sat, 21 Feb 2015 00:48:38 GMT ")]
        self.assertEqual(
            signatures.canonicalized_headers(headers),
            "x-ms-date:Sat, 21 Feb 2015 00:48:38 GMT\nx-ms-version:2014-02-14\n")

    def test_the_examples_of_canonicalized_resources(self):
        """Parameters in order; several values of one are sorted and joined."""
        examples = [
            ("/mycontainer", "restype=container&comp=metadata", "\ncomp:metadata\nrestype:container"),
            ("/mycontainer",
             "restype=container&comp=list&include=snapshots&include=metadata&include=uncommittedblobs",
             "\ncomp:list\ninclude:metadata,snapshots,uncommittedblobs\nrestype:container"),
            ("/mycontainer/myblob", "", ""),
        ]
        for path, query, lines in examples:
            self.assertEqual(
                signatures.canonicalized_resource("myaccount", path, query), f"/myaccount{path}{lines}")

    def test_the_rules_in_the_text(self):
        """A path stays encoded, a parameter is decoded; an empty header has a line; a length of zero is empty."""
        headers = [("content-length", "0"), ("x-ms-date", "d"), ("date", "other"), ("x-ms-meta-empty", "")]
        text = signatures.shared_key_text("PUT", headers, "account", "/c/a%20b", "Prefix=a%2Fb%20c+d")
        self.assertEqual(text, "PUT" + "\n" * 12 + "x-ms-date:d\nx-ms-meta-empty:\n/account/c/a%20b\nprefix:a/b c+d")

    def test_the_order_of_the_fixed_fields(self):
        """Each in its own line, between the verb and the canonicalised headers."""
        headers = [(name, name.upper()) for name in signatures.STANDARD_FIELDS]
        self.assertEqual(signatures.shared_key_text("PUT", headers, "a", "/", ""), (
            "PUT\nCONTENT-ENCODING\nCONTENT-LANGUAGE\nCONTENT-LENGTH\nCONTENT-MD5\nCONTENT-TYPE\nDATE\n"
            "IF-MODIFIED-SINCE\nIF-MATCH\nIF-NONE-MATCH\nIF-UNMODIFIED-SINCE\nRANGE\n/a/"))


class SharedAccessTests(unittest.TestCase):
    """create-account-sas and create-service-sas."""

    def test_an_account_signature(self):
        """Every field has a line, the last ends with a newline; the scope is signed from 2020-12-06 on."""
        query = {"sv": "2019-02-02", "ss": "bf", "srt": "s", "st": "2019-08-01T22:18:26Z",
                 "se": "2019-08-10T02:23:26Z", "sp": "rw", "sip": "168.1.5.60-168.1.5.70", "spr": "https"}
        expected = ("myaccount\nrw\nbf\ns\n2019-08-01T22:18:26Z\n2019-08-10T02:23:26Z\n168.1.5.60-168.1.5.70\nhttps\n"
                    "2019-02-02\n")
        self.assertEqual(signatures.account_sas_text("myaccount", query), expected)
        query["sv"] = "2020-12-06"
        self.assertEqual(
            signatures.account_sas_text("myaccount", query), expected.replace("2019-02-02\n", "2020-12-06\n\n"))

    def test_a_service_signature(self):
        """The canonicalised resource names the service, and the blob for sr=b alone."""
        query = {"sv": "2018-11-09", "sr": "b", "sp": "rd", "se": "2019-01-01T00:00:00Z", "rsct": "text/plain"}
        self.assertEqual(
            signatures.service_sas_text("myaccount", "music", "intro.mp3", query),
            "rd\n\n2019-01-01T00:00:00Z\n/blob/myaccount/music/intro.mp3\n\n\n\n2018-11-09\nb\n\n\n\n\n\ntext/plain")
        query |= {"sv": "2022-11-02", "sr": "c"}
        self.assertEqual(
            signatures.service_sas_text("myaccount", "music", None, query),
            "rd\n\n2019-01-01T00:00:00Z\n/blob/myaccount/music\n\n\n\n2022-11-02\nc\n\n\n\n\n\n\ntext/plain")


class PrimitiveTests(unittest.TestCase):
    """The functions below."""

    def test_hmac(self):
        """RFC 4231, case 2."""
        key = base64.b64encode(b"Jefe").decode()
        digest = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        self.assertEqual(signatures.sign(key, "what do ya want for nothing?"), base64.b64encode(digest).decode())
        self.assertTrue(signatures.matches(key, "what do ya want for nothing?", base64.b64encode(digest).decode()))
        self.assertFalse(signatures.matches(key, "what do ya want for nothing!", base64.b64encode(digest).decode()))

    def test_crc64(self):
        """The check value of CRC-64/NVME, and that long messages, which are folded, give what short ones do."""
        self.assertEqual(
            checksums.crc64_base64([b"123456789"]), base64.b64encode(bytes.fromhex("8898790a86148bae")).decode())
        plain = checksums.ONES
        for byte in BODY_32_KIB * 20:
            plain = checksums.TABLE[(plain ^ byte) & 0xFF] ^ plain >> 8
        expected = base64.b64encode((plain ^ checksums.ONES).to_bytes(8, "little")).decode()
        for cut in (0, 1, 7, 8, 100_000):
            whole = BODY_32_KIB * 20
            self.assertEqual(checksums.crc64_base64([whole[:cut], whole[cut:]]), expected)


if __name__ == "__main__":
    unittest.main()
