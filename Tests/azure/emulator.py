#!/usr/bin/env python3
"""An emulator of Azure Blob Storage for tests: one account, on loopback, gone when its standard input ends.

It prints `listening on URL` when it is ready, and with --imds, --entra and --atlas a line `NAME listening on URL` for
each of these fakes, whose storage tokens it accepts. Everything is in the modules beside it; what it does not do is
said in CONTRIBUTING.md.
"""

import argparse
import signal
import sys

from atlas import Atlas
from entra import TokenEndpoint
from imds import InstanceMetadata
from service import Service
from wire import Server, serve

# The account and key that every Azure emulator and client knows; no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on, ::1 for IPv6")
    parser.add_argument("--port", type=int, default=0, help="port, 0 for any free one")
    parser.add_argument("--account", default=ACCOUNT)
    parser.add_argument("--key", default=KEY, help="the account's key, in base64")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="PEM files; serves https")
    parser.add_argument("--directory", help="where bodies lie, in unlinked files; without it they lie in memory")
    parser.add_argument("--single-max", type=int, default=5000 << 20, help="largest Put Blob, in bytes")
    parser.add_argument("--imds", action="store_true", help="also fake the metadata service of managed identities")
    parser.add_argument("--entra", action="store_true", help="also fake the token endpoint of Entra ID")
    parser.add_argument("--atlas", action="store_true", help="also fake the administration API of MongoDB Atlas")
    return parser.parse_args()


def fakes(options, service):
    """The fakes that are asked for, by name. They share the service's clock, so that moving it ends their tokens."""
    accept = service.authorizer.accept_token
    if options.imds:
        yield "imds", InstanceMetadata(service.clock, accept)
    if options.entra:
        yield "entra", TokenEndpoint(service.clock, accept)
    if options.atlas:
        yield "atlas", Atlas(service.clock)


def main():
    """Serves until standard input ends."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    service = Service(options.account, options.key, options.single_max, options.directory)
    server = Server(options.host, options.port, service.respond, options.tls)
    servers = [("listening on", server)]
    for name, fake in fakes(options, service):
        # The metadata service knows no TLS.
        tls = None if name == "imds" else options.tls
        servers.append((f"{name} listening on", Server(options.host, 0, fake.respond, tls)))
    serve(servers)


if __name__ == "__main__":
    main()
