#!/usr/bin/env python3
"""A proxy for tests, on loopback, gone when its standard input ends: tunnels and plain requests, each told in a line.

It prints `listening on URL`, and then `CONNECT HOST:PORT` or `METHOD URL` for each request.
"""

import select
import socket
import socketserver
import sys
import threading
import urllib.parse


class Handler(socketserver.StreamRequestHandler):
    """One connection of a client."""

    def handle(self):
        line = self.rfile.readline().decode("latin-1").split()
        if len(line) != 3:
            return
        method, target, _ = line
        # Who a request is for is the proxy's business; a signature in its query is not the log's.
        print(method, target.partition("?")[0], flush=True)
        head = []
        while (field := self.rfile.readline()) not in (b"\r\n", b""):
            if not field.lower().startswith((b"proxy-", b"connection:")):
                head.append(field)
        parts = urllib.parse.urlsplit(f"//{target}" if method == "CONNECT" else target)
        with socket.create_connection((parts.hostname, parts.port or 80)) as upstream:
            if method == "CONNECT":
                self.connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = parts.path + (f"?{parts.query}" if parts.query else "")
                fields = b"".join(head) + b"Connection: close\r\n\r\n"
                upstream.sendall(f"{method} {path} HTTP/1.1\r\n".encode() + fields)
            self.relay(upstream)

    def relay(self, upstream):
        """Moves bytes both ways until one side is done. What was read ahead of a request's body goes first."""
        self.connection.setblocking(False)
        try:
            ahead = self.rfile.read1()
        except (BlockingIOError, TypeError):
            ahead = b""
        self.connection.setblocking(True)
        if ahead:
            upstream.sendall(ahead)
        while True:
            for source in select.select([self.connection, upstream], [], [])[0]:
                data = source.recv(1 << 16)
                if not data:
                    return
                (upstream if source is self.connection else self.connection).sendall(data)


class Proxy(socketserver.ThreadingTCPServer):
    """The server."""

    daemon_threads = True


def main():
    """Serves until standard input ends."""
    with Proxy(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
