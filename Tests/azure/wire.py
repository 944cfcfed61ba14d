"""HTTP/1.1 on sockets, as far as a storage service needs it.

`http.server` parses headers with the email package and copies bodies; a test that measures how fast packs travel must
not measure that. Tests also need what no HTTP library offers: a connection that is reset in the middle of a body.
"""

import email.utils
import os
import select
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
import urllib.parse

CHUNK = 1 << 20
HEADER_LIMIT = 64 << 10
REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content", 304: "Not Modified",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 409: "Conflict", 411: "Length Required", 412: "Precondition Failed",
    413: "Payload Too Large", 416: "Range Not Satisfiable", 429: "Too Many Requests", 500: "Internal Server Error",
    501: "Not Implemented", 503: "Service Unavailable",
}


class ConnectionEnded(Exception):
    """The peer is gone, or is to be: nothing more is read from this connection or written to it."""


class BadRequest(Exception):
    """What was sent is not HTTP."""


class Headers:
    """Header fields by case-insensitive name; one that comes twice is joined with a comma: RFC 9110 §5.3."""

    def __init__(self):
        self._fields = {}

    def add(self, name, value):
        """Takes a field of the request."""
        key = name.lower()
        self._fields[key] = f"{self._fields[key]},{value}" if key in self._fields else value

    def get(self, name, default=None):
        """The value of `name`, or `default`."""
        return self._fields.get(name.lower(), default)

    def __contains__(self, name):
        return name.lower() in self._fields

    def items(self):
        """Pairs of lower-case name and value."""
        return self._fields.items()

    def starting_with(self, prefix):
        """What follows `prefix` in the names that have it, with the values."""
        return {name[len(prefix):]: value for name, value in self._fields.items() if name.startswith(prefix)}


class Request:
    """The head of a request; its body stays on the connection until `Connection.read_body` takes it."""

    def __init__(self, method, target, headers):
        self.method = method
        self.target = target
        self.headers = headers
        # Not urlsplit: a blob name may begin with a second slash, which that takes for a host.
        self.raw_path, _, self.raw_query = target.partition("?")
        self.path = urllib.parse.unquote(self.raw_path)
        self.query_pairs = urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True)
        self.query = {name.lower(): value for name, value in self.query_pairs}
        self.body = b""

    @property
    def content_length(self):
        """The announced size of the body in bytes, None where it is not announced."""
        text = self.headers.get("content-length")
        if text is None:
            return None
        if not text.isascii() or not text.isdigit():
            raise BadRequest(f"Content-Length: {text}")
        return int(text)

    @property
    def is_chunked(self):
        """Whether the body comes in chunks."""
        return self.headers.get("transfer-encoding", "").lower() == "chunked"


class Response:
    """Status, header fields and a body in parts that are sent as they lie in memory."""

    def __init__(self, status, headers=None, parts=()):
        self.status = status
        self.headers = dict(headers or {})
        self.parts = [parts] if isinstance(parts, (bytes, bytearray, memoryview)) else list(parts)

    @property
    def size(self):
        """Bytes of the body."""
        return sum(len(part) for part in self.parts)


class Pace:
    """Holds a transfer to a number of bytes a second; none means no limit."""

    def __init__(self, bytes_per_second=None):
        self.rate = bytes_per_second
        self.moved = 0
        self.began = time.monotonic()

    @property
    def step(self):
        """Bytes to move at once: a tenth of a second's worth, so that a slow body drips instead of coming in bursts."""
        return CHUNK if self.rate is None else max(1, min(CHUNK, int(self.rate / 10)))

    def wait(self, count):
        """Sleeps until `count` more bytes were due."""
        if self.rate is None:
            return
        self.moved += count
        behind = self.began + self.moved / self.rate - time.monotonic()
        if behind > 0:
            time.sleep(behind)


class Link(Pace):
    """A line that transfers share: together they move no more bytes a second.

    Who slept too long on a busy machine may catch up on that, up to `SLACK` seconds, as buffers on the way would.
    """

    SLACK = 0.2

    def __init__(self, bytes_per_second=None):
        super().__init__(bytes_per_second)
        self.lock = threading.Lock()
        self.free = 0

    @property
    def step(self):
        """Small enough that transfers take turns."""
        return CHUNK if self.rate is None else max(1, min(CHUNK, int(self.rate / 100)))

    def wait(self, count):
        """Sleeps until the line has moved `count` more bytes, behind those of all others."""
        if self.rate is None:
            return
        with self.lock:
            now = time.monotonic()
            self.free = max(self.free, now - self.SLACK) + count / self.rate
            delay = self.free - now
        time.sleep(max(0, delay))


class Connection(socketserver.BaseRequestHandler):
    """One connection: requests one after the other, each answered by the server's `respond(connection, request)`."""

    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.reader = self.request.makefile("rb", buffering=HEADER_LIMIT)
        self.is_loopback = self.client_address[0] in ("127.0.0.1", "::1", "::ffff:127.0.0.1")
        self.is_secure = self.server.tls is not None
        self.sent_continue = False
        self.unread = 0

    def handle(self):
        try:
            while (request := self._read_head()) is not None:
                self.server.respond(self, request)
                if request.headers.get("connection", "").lower() == "close":
                    return
        except BadRequest as error:
            self.send(Response(400, {"Content-Type": "text/plain"}, str(error).encode()), "GET", keep_alive=False)
        except (ConnectionEnded, ConnectionError, TimeoutError, ssl.SSLError, ValueError, BrokenPipeError):
            return

    def finish(self):
        self.reader.close()

    def _read_head(self):
        line = self.reader.readline(HEADER_LIMIT)
        while line in (b"\r\n", b"\n"):
            line = self.reader.readline(HEADER_LIMIT)
        if not line:
            return None
        words = line.decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequest("not a request line")
        request = Request(words[0], words[1], self._read_headers())
        self.sent_continue = False
        self.unread = -1 if request.is_chunked else request.content_length or 0
        return request

    def _read_headers(self):
        headers = Headers()
        while True:
            line = self.reader.readline(HEADER_LIMIT)
            if line in (b"\r\n", b"\n"):
                return headers
            if not line:
                raise ConnectionEnded
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or name != name.strip():
                raise BadRequest("not a header field")
            headers.add(name, value.strip())

    def ask_for_body(self, request):
        """Tells a client that waits with `Expect: 100-continue` to go on."""
        if not self.sent_continue and request.headers.get("expect", "").lower() == "100-continue":
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.sent_continue = True

    def read_body(self, request, allocate=bytearray, pace=None, limit=None):
        """Yields the body in pieces and leaves it in `request.body`; `allocate(size)` gives the memory for it.

        With `limit` no more than that many bytes are read: the beginning of a body that is going to be cut.
        """
        self.ask_for_body(request)
        if request.is_chunked:
            yield from self._read_chunks(request)
            return
        size = request.content_length or 0
        whole = allocate(size)
        view = memoryview(whole)
        stop = size if limit is None else min(limit, size)
        pace = pace or Pace()
        done = 0
        while done < stop:
            count = self.reader.readinto(view[done:min(stop, done + pace.step)])
            if not count:
                raise ConnectionEnded
            self.unread -= count
            yield view[done:done + count]
            done += count
            pace.wait(count)
        request.body = view

    def _read_chunks(self, request):
        whole = bytearray()
        while True:
            try:
                size = int(self.reader.readline(HEADER_LIMIT).split(b";")[0], 16)
            except ValueError:
                raise BadRequest("not a chunk") from None
            if size == 0:
                self._read_headers()
                self.unread = 0
                request.body = memoryview(whole)
                return
            piece = self.reader.read(size)
            if len(piece) < size or self.reader.readline(HEADER_LIMIT) not in (b"\r\n", b"\n"):
                raise ConnectionEnded
            whole += piece
            yield memoryview(piece)

    def drain(self, request):
        """Reads what is left of the body, so that the client sees the answer and not a reset, and the next request."""
        if self.unread == 0 or (request.headers.get("expect", "").lower() == "100-continue" and not self.sent_continue):
            return
        if self.unread < 0:
            for _ in self._read_chunks(request):
                pass
            return
        scratch = memoryview(bytearray(min(self.unread, CHUNK)))
        while self.unread > 0:
            count = self.reader.readinto(scratch[:min(self.unread, CHUNK)])
            if not count:
                raise ConnectionEnded
            self.unread -= count

    def must_close(self, request):
        """A client that was not told to go on may send its body or not: only a new connection is unambiguous."""
        waits = request.headers.get("expect", "").lower() == "100-continue"
        return waits and not self.sent_continue and self.unread != 0

    def send(self, response, method, keep_alive=True, pace=None, cut=None):
        """Writes `response`; with `cut` no more than that many bytes of its body, under the length of all of it."""
        head = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Status')}"]
        fields = {"Date": email.utils.formatdate(usegmt=True), **response.headers}
        if response.status not in (204, 304):
            fields.setdefault("Content-Length", str(response.size))
        if not keep_alive:
            fields["Connection"] = "close"
        head += [f"{name}: {value}" for name, value in fields.items() if value is not None]
        first = ("\r\n".join(head) + "\r\n\r\n").encode("utf-8")
        if method == "HEAD" or response.status in (204, 304):
            self.request.sendall(first)
            return
        # One segment for a small answer: two would cost a round of delayed acknowledgement on some clients.
        if cut is None and pace is None and response.size <= CHUNK // 16:
            self.request.sendall(first + b"".join(response.parts))
            return
        self.request.sendall(first)
        self._send_parts(response.parts, pace or Pace(), response.size if cut is None else cut)

    def _send_parts(self, parts, pace, left):
        for part in parts:
            view = memoryview(part)
            for start in range(0, len(view), pace.step):
                piece = view[start:start + min(pace.step, left)]
                if not piece:
                    return
                pace.wait(len(piece))
                self.request.sendall(piece)
                left -= len(piece)

    def reset(self):
        """Ends the connection with a TCP reset, as a balancer does that lost its server."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        """Ends the connection in the middle of whatever was under way."""
        # The reader holds the descriptor open as well.
        self.reader.close()
        self.request.close()
        raise ConnectionEnded


class Server(socketserver.ThreadingTCPServer):
    """A listening server; `respond(connection, request)` answers each request."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, host, port, respond, tls=None):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.respond = respond
        self.tls = None
        if tls is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        super().__init__((host, port), Connection)

    @property
    def url(self):
        """Where it listens, without a path."""
        host, port = self.server_address[:2]
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def handle_error(self, request, client_address):
        """A defect of the emulator must not look like a fault that a test asked for: it is said, with its trace."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, ConnectionEnded, ssl.SSLError, TimeoutError)):
            super().handle_error(request, client_address)


def serve(servers):
    """Runs `servers`, a list of pairs of what to say and a server, until standard input ends or a SIGTERM comes.

    A parent that dies closes the pipe, so no server is left behind whatever happens to the test that started it.
    """
    for _, server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    for words, server in servers:
        print(f"{words} {server.url}", flush=True)
    try:
        while True:
            select.select([0], [], [])
            if not os.read(0, 4096):
                return
    except KeyboardInterrupt:
        return
