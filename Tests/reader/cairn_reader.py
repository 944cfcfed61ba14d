#!/usr/bin/python3
"""An independent reader of cairn repositories, written from format-spec.md alone.

    cairn_reader.py (--passphrase-file FILE | --key-file FILE) REPOSITORY COMMAND

    snapshots                    lists the snapshots, oldest first
    namespaces SNAPSHOT          lists the collections and views of one snapshot (id, prefix of one, or "latest")
    extract SNAPSHOT NAMESPACE   writes the documents of one collection to stdout, as concatenated BSON
    segments                     lists the segments of the oplog by time: id, from, to, entries, why there is a gap
    oplog SEGMENT                writes the entries of one segment to stdout, without its prelude
    verify                       reads everything that any snapshot or segment refers to

It needs Debian's python3-cryptography and python3-zstandard. Exit codes: 0 done, 2 usage or unsupported,
10 no repository, 12 wrong passphrase or key, 13 damage (format-spec.md section 12.1).
"""

import argparse
import collections
import hashlib
import hmac
import os
import re
import struct
import sys

import columns
import zstandard
from bson_walk import Problem, damage, digests, documents, get, identity, parse, refuse, split_documents
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CHUNK, INDEX, SNAPSHOT, SEGMENT, FENCE = 1, 3, 4, 5, 10  # kinds, section 4.2
PACK, METADATA = 0, 1  # keys of an epoch
DOCUMENTS, LEAF_LIST, CATALOGUE, OPLOG, RUN = 1, 2, 3, 4, 5  # chunk types, section 6.1
FOLDERS = {INDEX: "indexes", SNAPSHOT: "snapshots", SEGMENT: "segments", FENCE: "fences"}
MAGIC = b"\xCA\x49\x52\x4E%s\x0D\x0A\x1A"  # section 3.3
CHUNK_MAX = SEALED_MAX = 64 << 20
PACK_MAX, PACK_CHUNKS_MAX, INDEX_CHUNKS_MAX, SMALL_MAX = 1 << 30, 32768, 50000, 65536

def hkdf(key, salt, label):  # section 5
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=label.encode()).derive(key)

def mac(key, message):
    return hmac.digest(key, message, "sha256")

def open_sealed(key, nonce, aad, data, where):
    try:
        return AESGCM(key).decrypt(nonce.to_bytes(12, "big"), data, aad)
    except InvalidTag:
        raise damage(where, "does not authenticate") from None

def unpack(frame, size):
    parameters = zstandard.get_frame_parameters(frame)
    columns.need(parameters.content_size == size and not parameters.dict_id, "a zstd frame has another size")
    return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompress(frame, allow_extra_data=False)

def decode(encoding, data, raw_size, where):
    try:
        if encoding == 1:
            data = unpack(data, raw_size)
        elif encoding == 2:
            data = columns.decode(data, raw_size, unpack)
    except (zstandard.ZstdError, columns.Broken) as error:
        raise damage(where, f"does not decode: {error}") from None
    refuse(len(data) != raw_size, where, "decodes to another size")
    return data

class Repository:
    def __init__(self, path, secret, is_passphrase):
        self.path = path
        config = self.read("config", SMALL_MAX, missing=Problem(10, f"no repository at {path}"))
        self.id, end = self.parse_config(config)
        self.unlock(secret, 1 if is_passphrase else 2)
        refuse(mac(self.verification, config[:end]) != config[end:end + 32], "config", "its HMAC does not fit the keys")
        self.places = {}
        for name in self.names("indexes"):
            self.load_index(name)

    def read(self, name, size_max, start=0, size=None, missing=None):
        try:
            with open(os.path.join(self.path, name), "rb") as file:
                refuse(os.fstat(file.fileno()).st_size > size_max, name, "is too large")
                file.seek(start)
                data = file.read() if size is None else file.read(size)
        except FileNotFoundError:
            raise missing or damage(name, "is missing") from None
        refuse(size is not None and len(data) != size, name, "is truncated")
        return data

    def names(self, folder):
        path = os.path.join(self.path, folder)
        found = os.listdir(path) if os.path.isdir(path) else []
        return sorted(filter(re.compile("[0-9a-f]{32}").fullmatch, found))  # [O-2]

    def parse_config(self, data):  # section 5.6
        check_frame("config", data, b"c", 56)
        read_version, _, reserved, incompatible, _ = struct.unpack_from("<HHIQQ", data, 8)
        refuse(read_version > 1, "config", f"format version {read_version}", code=2)
        refuse(incompatible & ~1, "config", f"incompatible features {incompatible:#x}", code=2)  # [V-8]
        length, reserved2 = struct.unpack_from("<II", data, 48)
        wrong = reserved or reserved2 or read_version == 0 or 56 + length + 64 != len(data)
        refuse(wrong, "config", "its header makes no sense")
        parameters = parse(data[56:56 + length], "config")
        for name in ("documentChunks", "metadataChunks"):
            sizes = get(parameters, name, dict, "config")
            low, target, high = (get(sizes, field, int, "config") for field in ("minimum", "target", "maximum"))
            refuse(not 1 <= low <= target // 4 or not target < high <= CHUNK_MAX, "config", "chunk sizes make no sense")
        return data[32:48], 56 + length

    def unlock(self, secret, method):  # section 5.5
        damaged, tried, usable, opened = [], 0, 0, []
        for name in self.names("keys"):
            where = "keys/" + name
            try:
                data = self.read(where, SMALL_MAX)
                key = parse_key(where, data)
                usable += key["repository"] == self.id
                if key["repository"] != self.id or key["method"] != method:
                    continue
                tried += 1
                masters = unwrap(where, bytes.fromhex(name), data, key, secret)
                if masters is not None:
                    self.derive(masters)
                    tag = mac(self.verification, bytes.fromhex(name) + data[:-64])
                    refuse(tag != data[-64:-32], where, "its HMAC is wrong")  # [K-6]
                    opened.append(masters)
            except Problem as problem:
                damaged.append(str(problem))
        if opened:
            return self.derive(max(opened, key=len))  # [K-13]
        raise Problem(12 if usable else 13, f"opens none of {tried} keys, {usable} usable; damaged: {damaged}")

    def derive(self, masters):  # section 5.1
        self.verification = hkdf(masters[0], self.id, "cairn/1 verification")
        self.chunk_key = hkdf(masters[0], self.id, "cairn/1 id")
        self.keys = [(hkdf(master, self.id, "cairn/1 pack"), hkdf(master, self.id, "cairn/1 metadata"))
                     for master in masters]

    def aad(self, kind, object_id, raw_size, epoch, slot=0, chunk_type=0, encoding=0, chunk=bytes(32)):  # section 5.3
        numbers = struct.pack("<BBBBIQ16sQ", kind, 1, chunk_type, encoding, epoch, slot, object_id, raw_size)
        return self.id + numbers + chunk

    def object_key(self, purpose, epoch, salt, where):
        refuse(epoch >= len(self.keys), where, f"epoch {epoch} is not known")
        return hkdf(self.keys[epoch][purpose], salt, "cairn/1 object")

    def sealed(self, kind, name):  # section 6.4
        where = f"{FOLDERS[kind]}/{name}"
        data = self.read(where, SEALED_MAX + 56 + 16)
        refuse(len(data) < 56 + 16, where, "is truncated")
        refuse(data[:8] != MAGIC % b"s", where, "its magic is wrong")
        version, found, encoding, reserved, epoch, raw_size = struct.unpack_from("<BBBBIQ", data, 8)
        refuse(version != 1 or encoding > 1, where, f"structure version {version}, encoding {encoding}", code=2)
        wrong = found != kind or reserved or raw_size > SEALED_MAX or (encoding == 0 and raw_size != len(data) - 72)
        refuse(wrong, where, "its header makes no sense")
        key = self.object_key(METADATA, epoch, data[24:56], where)
        aad = self.aad(kind, bytes.fromhex(name), raw_size, epoch, encoding=encoding)
        document = parse(decode(encoding, open_sealed(key, 0, aad, data[56:], where), raw_size, where), where)
        known = 2 if kind == SNAPSHOT else 1  # [V-3]
        refuse(get(document, "version", int, where) > known, where, f"version {document['version']}", code=2)
        return document

    def load_index(self, name):  # section 8
        where, count = "indexes/" + name, 0
        for pack in documents(self.sealed(INDEX, name), "packs", where):
            pack_id, salt = get(pack, "id", bytes, where, 16), get(pack, "salt", bytes, where, 32)
            epoch, entries, offset = get(pack, "epoch", int, where), get(pack, "chunks", bytes, where), 48
            slots = len(entries) // 44
            refuse(len(entries) % 44 or not 0 < slots <= PACK_CHUNKS_MAX, where, "a list of chunks has a wrong size")
            for slot in range(slots):
                chunk, kind, encoding, reserved, raw, stored = struct.unpack_from("<32sBBHII", entries, slot * 44)
                check_entry(where, kind, encoding, reserved, raw, stored)
                place = (pack_id, epoch, salt, slot, offset, kind, encoding, raw, stored)
                self.places.setdefault(chunk, []).append(place)
                offset += stored
            count += slots
            refuse(offset + len(entries) + 32 > PACK_MAX, where, "a pack would be too large")
        refuse(count > INDEX_CHUNKS_MAX, where, "lists too many chunks")

    def chunk(self, chunk, kind):  # section 7.2
        failure = damage("chunk " + chunk.hex(), "is in no index object")
        for pack_id, epoch, salt, slot, offset, found, encoding, raw, stored in self.places.get(chunk, []):
            name = f"packs/{pack_id.hex()[:2]}/{pack_id.hex()}"
            where = f"{name} at offset {offset}"
            try:
                refuse(found != kind, where, f"a chunk of type {found} where type {kind} belongs")
                data = self.read(name, PACK_MAX, offset, stored)
                aad = self.aad(CHUNK, pack_id, raw, epoch, slot, kind, encoding, chunk)
                sealed = open_sealed(self.object_key(PACK, epoch, salt, where), slot, aad, data, where)
                plain = decode(encoding, sealed, raw, where)
                refuse(mac(self.chunk_key, bytes([kind]) + plain) != chunk, where, "its id is not its HMAC")  # [C-1]
                return plain
            except Problem as problem:
                failure = problem  # another place may be intact [I-2]
        raise failure

    def counting(self, found):  # [Y-2]
        fenced = set(self.names("fences"))
        for each in found:
            lease = get(each, "lease", bytes, each["id"]).hex() if "lease" in each else None
            keep = get(self.sealed(FENCE, lease), "keep", bytes, lease) if lease in fenced else None
            if keep is None or bytes.fromhex(each["id"]) in {keep[at:at + 16] for at in range(0, len(keep), 16)}:
                yield each

    def snapshots(self):  # section 9
        found = self.counting([self.snapshot(name) for name in self.names("snapshots")])
        return sorted(found, key=lambda snapshot: (snapshot["at"], snapshot["started"], snapshot["id"]))

    def snapshot(self, name):
        where, document = "snapshots/" + name, self.sealed(SNAPSHOT, name)
        for field, kind in dict(kind=str, scanOrder=str, at=tuple, started=int, finished=int, tags=list, warnings=list,
                                exact=bool, source=dict).items():
            get(document, field, kind, where)
        unknown = document["kind"] not in ("full", "incremental", "synthetic")
        unknown = unknown or document["scanOrder"] not in ("natural", "id")
        refuse(unknown, where, f"a snapshot of kind {document['kind']!r}", code=2)
        return dict(document, id=name)

    def resolve(self, wanted):
        found = [snapshot for snapshot in self.snapshots() if wanted == "latest" or snapshot["id"].startswith(wanted)]
        wrong = not found or (wanted != "latest" and len(found) > 1)
        refuse(wrong, wanted, f"{len(found)} snapshots match", code=2)
        return found[-1]

    def entries(self, snapshot):
        where = "snapshots/" + snapshot["id"]
        totals, found = get(snapshot, "totals", dict, where), []
        for chunk in digests(snapshot, "catalogue", where):
            for raw in split_documents(self.chunk(chunk, CATALOGUE), "catalogue"):
                entry = parse(raw, "catalogue")
                for field, kind in dict(db=str, coll=str, type=str, options=dict, indexes=list, documents=int,
                                        rawBytes=int, leafCount=int).items():
                    get(entry, field, kind, "catalogue")
                unknown = entry["type"] not in ("collection", "view", "timeseries")
                refuse(unknown, "catalogue", f"namespace type {entry['type']!r}", code=2)
                entry["runs"] = documents(entry, "runs", "catalogue") if "runs" in entry else []
                refuse(entry["runs"] and snapshot["version"] < 2, where, "has runs in version 1")  # [V-6]
                entry["live"] = entry["documents"] + sum(get(run, "delta", int, where) for run in entry["runs"])
                entry["allBytes"] = sum(get(part, "rawBytes", int, where) for part in [entry] + entry["runs"])
                found.append(entry)
        order = [(entry["db"].encode(), entry["coll"].encode()) for entry in found]
        refuse(order != sorted(set(order)), where, "its catalogue is out of order")  # [F-4]
        sums = [len(found)] + [sum(entry[name] for entry in found) for name in ("live", "allBytes")]
        expected = [get(totals, name, int, where) for name in ("namespaces", "documents", "rawBytes")]
        refuse(sums != expected, where, "its catalogue is not what its totals say")  # [F-5]
        return found

    def leaves(self, entry, where):
        if "lists" not in entry:
            return documents(entry, "leaves", where)
        return [parse(raw, where) for chunk in digests(entry, "lists", where)
                for raw in split_documents(self.chunk(chunk, LEAF_LIST), where)]

    def layer(self, part, where):
        """The plaintext of each chunk of an entry or a run, checked against its leaf [F-2]."""
        sums = [0, 0, 0]
        for leaf in self.leaves(part, where):
            plain = self.chunk(get(leaf, "c", bytes, where, 32), DOCUMENTS)
            found = [1, len(list(split_documents(plain, where))), len(plain)]
            refuse(found[1:] != [get(leaf, name, int, where) for name in "nr"], where, "a leaf and its chunk differ")
            sums = [left + right for left, right in zip(sums, found)]
            yield plain
        expected = [get(part, name, int, where) for name in ("leafCount", "documents", "rawBytes")]
        refuse(sums != expected, where, "its leaves do not add up")

    def chunks_of(self, entry):
        """The live documents of a collection, chunk by chunk [F-8]."""
        where, newest, found = f"{entry['db']}.{entry['coll']}", {}, 0
        for number, run in enumerate(entry["runs"], 1):
            removals = [raw for chunk in digests(run, "removals", where)
                        for raw in split_documents(self.chunk(chunk, RUN), where)]
            removed = [identity(raw, where) for raw in removals]
            refuse(any(len(one) + 5 != len(raw) for one, raw in zip(removed, removals)), where, "removals of no sense")
            touched = removed + [identity(raw, where) for plain in self.layer(run, where)
                                 for raw in split_documents(plain, where)]
            wrong = len(removed) != get(run, "removed", int, where) or not all(touched)
            refuse(wrong or len(set(touched)) != len(touched), where, f"run {number} is no set")  # [F-9]
            newest.update(dict.fromkeys(touched, number))
        for number, part in enumerate([entry] + entry["runs"]):
            for plain in self.layer(part, where):
                live = [raw for raw in split_documents(plain, where) if newest.get(identity(raw, where), 0) <= number]
                found += len(live)
                yield b"".join(live)
        refuse(found != entry["live"], where, f"{found} documents are live, {entry['live']} are counted")

    def segments(self):  # section 9.7
        found = list(self.counting([dict(self.sealed(SEGMENT, name), id=name) for name in self.names("segments")]))
        for segment in found:
            where = "segments/" + segment["id"]
            for field, kind in dict(set=str, host=str, created=int, addedBytes=int).items():
                get(segment, field, kind, where)
            for field in ("from", "to"):
                at = get(segment, field, dict, where)
                segment[field + "Time"] = get(at, "ts", tuple, where), get(at, "t", int, where)
            chunks, prelude = documents(segment, "chunks", where), documents(segment, "prelude", where)
            refuse("gap" in segment and (chunks or prelude), where, "a gap has entries")  # [S-6]
            low, high = segment["fromTime"][0], segment["toTime"][0]
            refuse(low > high, where, "ends before it begins")
            refuse("gap" not in segment and segment["fromTime"][1] > segment["toTime"][1], where, "its terms go back")
            for pieces, first, last in ((prelude, (0, 0), low), (chunks, low, high)):  # [S-2]
                times = [get(piece, name, tuple, where) for piece in pieces for name in "fl"]
                wrong = times != sorted(times) or any(left == right for left, right in zip(times[1::2], times[2::2]))
                wrong = wrong or times and (times[0] < first or times[-1] > last)
                wrong = wrong or pieces is prelude and times and times[-1] == low
                refuse(wrong, where, "its chunks are out of order or go beyond it")
            for total, name in (("entries", "n"), ("rawBytes", "r")):
                wrong = sum(get(piece, name, int, where) for piece in chunks) != get(segment, total, int, where)
                refuse(wrong, where, "its chunks do not add up")
        return sorted(found, key=lambda segment: (segment["fromTime"][0], segment["toTime"][0], segment["id"]))

    def oplog(self, segment, field):
        """The plaintext of each chunk of `chunks` or `prelude`."""
        where = "segments/" + segment["id"]
        for piece in segment[field]:
            plain = self.chunk(get(piece, "c", bytes, where, 32), OPLOG)
            times = [get(parse(raw, where), "ts", tuple, where) for raw in split_documents(plain, where)]
            wrong = times != sorted(set(times)) or (times[0], times[-1]) != (piece["f"], piece["l"])
            refuse(wrong or (len(times), len(plain)) != (piece["n"], piece["r"]), where, "a chunk is not what it says")
            yield plain

def check_frame(where, data, letter, header):
    """Length, magic and hash of config and key objects."""
    refuse(len(data) < header + 64, where, "is truncated")
    refuse(data[:8] != MAGIC % letter, where, "its magic is wrong")  # [M-1]
    refuse(hashlib.sha256(data[:-32]).digest() != data[-32:], where, "its hash is wrong")

def check_entry(where, kind, encoding, reserved, raw, stored):  # section 7.3
    refuse(not 1 <= kind <= 5 or encoding > 2, where, f"chunk type {kind}, encoding {encoding}", code=2)
    refuse(reserved or not 0 < raw <= CHUNK_MAX or not 16 < stored <= CHUNK_MAX + 16, where, "a chunk of no sane size")
    refuse(encoding == 0 and stored != raw + 16, where, "an unencoded chunk of another size")
    refuse(encoding == 2 and kind not in (DOCUMENTS, OPLOG), where, "columns of something else than documents")

def parse_key(where, data):
    check_frame(where, data, b"k", 40)
    version, method, reserved, public, wrapped, reserved2 = struct.unpack_from("<BBHIII", data, 8)
    refuse(version != 1 or method not in (1, 2), where, f"structure version {version}, method {method}", code=2)
    refuse(reserved or reserved2 or 40 + public + wrapped + 64 != len(data), where, "its header makes no sense")
    key = parse(data[40:40 + public], where)
    get(key, "label", str, where), get(key, "created", int, where), get(key, "salt", bytes, where, 32)
    if method == 1:
        log_n, r, p = (get(key, name, int, where) for name in ("logN", "r", "p"))
        bounded = 1 <= log_n <= 24 and 1 <= r <= 1024 and 1 <= p <= 1024
        refuse(not bounded or 128 * r << log_n > 1 << 30 or r * p << log_n > 1 << 25, where, "costs too much")  # [K-8]
    return dict(key, method=method, repository=data[24:40], public=public)

def unwrap(where, key_id, data, key, secret):
    if key["method"] == 1:
        secret = hashlib.scrypt(secret, salt=key["salt"], n=1 << key["logN"], r=key["r"], p=key["p"],
                                maxmem=(1 << 30) + (1 << 22), dklen=32)
    split = 40 + key["public"]
    try:
        cipher = AESGCM(hkdf(secret, key["salt"], "cairn/1 wrap"))
        plain = cipher.decrypt(bytes(12), data[split:-64], key_id + data[:split])
    except InvalidTag:
        return None
    count = int.from_bytes(plain[:4], "little")
    refuse(not 1 <= count <= 256 or len(plain) != 4 + 32 * count, where, "wraps no list of master keys")
    return [plain[4 + 32 * epoch:36 + 32 * epoch] for epoch in range(count)]

def run(options):
    with open(options.passphrase_file or options.key_file, "rb") as file:
        secret = re.sub(rb"\r?\n\Z", b"", file.read()) if options.passphrase_file else file.read()
    repository = Repository(options.repository, secret, bool(options.passphrase_file))
    if options.command == "snapshots":
        for snapshot in repository.snapshots():
            print(snapshot["id"], "%d.%d" % snapshot["at"], snapshot["totals"]["documents"], *snapshot["tags"])
    elif options.command == "namespaces":
        for entry in repository.entries(repository.resolve(options.snapshot)):
            print(f"{entry['db']}.{entry['coll']}", entry["type"], entry["live"], entry["allBytes"])
    elif options.command == "extract":
        entries = repository.entries(repository.resolve(options.snapshot))
        found = [entry for entry in entries if f"{entry['db']}.{entry['coll']}" == options.namespace]
        refuse(not found, "extract", f"no namespace {options.namespace}", code=2)
        for plain in repository.chunks_of(found[0]):
            sys.stdout.buffer.write(plain)
    elif options.command == "segments":
        for segment in repository.segments():
            times = ["%d.%d" % segment[field][0] for field in ("fromTime", "toTime")]
            print(segment["id"], *times, segment["entries"], segment.get("gap", ""))
    elif options.command == "oplog":
        found = [segment for segment in repository.segments() if segment["id"].startswith(options.snapshot)]
        refuse(len(found) != 1, options.snapshot, f"{len(found)} segments match", code=2)
        for plain in repository.oplog(found[0], "chunks"):
            sys.stdout.buffer.write(plain)
    else:
        for entry in (entry for snapshot in repository.snapshots() for entry in repository.entries(snapshot)):
            collections.deque(repository.chunks_of(entry), maxlen=0)
        for segment in repository.segments():
            for field in ("prelude", "chunks"):
                collections.deque(repository.oplog(segment, field), maxlen=0)

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("--passphrase-file")
    secret.add_argument("--key-file")
    parser.add_argument("repository")
    parser.add_argument("command", choices=["snapshots", "namespaces", "extract", "segments", "oplog", "verify"])
    parser.add_argument("snapshot", nargs="?", default="latest")
    parser.add_argument("namespace", nargs="?")
    try:
        run(parser.parse_args())
    except (Problem, OSError) as problem:
        print(f"cairn_reader: {problem}", file=sys.stderr)
        sys.exit(getattr(problem, "code", 1))

if __name__ == "__main__":
    main()
