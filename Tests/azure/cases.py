"""What the tests with Microsoft's SDK share."""

import contextlib
import unittest

from azure.core.exceptions import HttpResponseError


class StorageTestCase(unittest.TestCase):
    """`self.container` is the client of the test's container."""

    container = None

    @contextlib.contextmanager
    def refused(self, code, status=None):
        """The block must be refused with this error code."""
        with self.assertRaises(HttpResponseError) as caught:
            yield
        # By the header: not every one of the SDK's exceptions carries the code.
        self.assertEqual(caught.exception.response.headers.get("x-ms-error-code"), code)
        if status is not None:
            self.assertEqual(caught.exception.status_code, status)

    def put(self, name, data=b"data", **options):
        """Uploads and returns the blob's client."""
        return self.container.upload_blob(name, data, overwrite=True, **options)
