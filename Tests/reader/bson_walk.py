"""The little of BSON that a reader of cairn repositories needs (format-spec.md section 3.4), and how it complains.

Documents become dictionaries; values that the metadata do not use stay (type, bytes).
"""

import struct

class Problem(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code

def damage(where, text):
    return Problem(13, f"{where}: {text}")

def refuse(condition, where, text, code=13):
    if condition:
        raise Problem(code, f"{where}: {text}")

FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
PREFIXED = {0x02: (4, 1), 0x0D: (4, 1), 0x0E: (4, 1), 0x0C: (16, 1), 0x03: (0, 5), 0x04: (0, 5), 0x0F: (0, 14),
            0x05: (5, 0)}  # what follows the length beside it, and the least length

def split_documents(data, where):
    """The documents that `data` is made of, their frames checked."""
    start = 0
    while start < len(data):
        length = int.from_bytes(data[start:start + 4], "little", signed=True)
        refuse(not 5 <= length <= len(data) - start or data[start + length - 1], where, "a document of a wrong length")
        yield data[start:start + length]
        start += length

def elements(data, where):
    """Type, name, value and all bytes of each element of a document."""
    at, end = 4, len(data) - 1
    while at < end:
        start, kind, zero = at, data[at], data.find(b"\0", at + 1, end)
        size = value_size(kind, data, zero + 1, end, where) if zero >= 0 else -1
        refuse(size < 0 or size > end - zero - 1, where, f"an element of type {kind} is truncated")
        at = zero + 1 + size
        yield kind, data[start + 1:zero], data[zero + 1:at], data[start:at]

def parse(data, where, depth=256):
    refuse(depth == 0 or len(list(split_documents(data, where))) != 1, where, "not one BSON document")
    fields = {}
    for kind, name, raw, _ in elements(data, where):
        fields.setdefault(name.decode("utf-8", "surrogateescape"), value(kind, raw, where, depth))
    return fields

def identity(data, where):
    """The `_id` element of a document as stored, empty when it has none."""
    return next((whole for _, name, _, whole in elements(data, where) if name == b"_id"), b"")

def value_size(kind, data, at, end, where):
    if kind in FIXED:
        return FIXED[kind]
    if kind == 0x0B:  # two C strings
        first = data.find(b"\0", at, end)
        return data.find(b"\0", first + 1, end) + 1 - at if first >= 0 else -1
    refuse(kind not in PREFIXED, where, f"BSON type {kind} is not known")
    extra, least = PREFIXED[kind]
    length = int.from_bytes(data[at:at + 4], "little", signed=True)
    return extra + length if end - at >= 4 and length >= least else -1

def value(kind, raw, where, depth):
    if kind == 0x03:
        return parse(raw, where, depth - 1)
    if kind == 0x04:
        return list(parse(raw, where, depth - 1).values())
    if kind == 0x02:
        refuse(raw[-1] != 0, where, "a string without end")
        try:
            return raw[4:-1].decode()
        except UnicodeDecodeError:
            return (kind, raw)
    if kind == 0x11:
        return struct.unpack("<II", raw)[::-1]  # seconds, increment
    if kind in (0x09, 0x10, 0x12):
        return int.from_bytes(raw, "little", signed=True)
    return raw[5:] if kind == 0x05 else raw[0] == 1 if kind == 0x08 else (kind, raw)

def get(document, name, kind, where, size=None):
    """A field that must be there [B-2]; an int is a count unless it is a date [B-1]."""
    found = document.get(name)
    wrong = type(found) is not kind or (size is not None and len(found) != size)
    wrong = wrong or (kind is int and found < 0 and name not in ("created", "started", "finished", "delta", "t"))
    refuse(wrong, where, f"field {name!r} is missing, or has a wrong type, size or sign")
    return found

def documents(document, name, where):
    found = get(document, name, list, where)
    refuse(any(type(item) is not dict for item in found), where, f"field {name!r} holds something else than documents")
    return found

def digests(document, name, where):
    data = get(document, name, bytes, where)
    refuse(len(data) % 32, where, f"field {name!r} is no list of ids")
    return [data[at:at + 32] for at in range(0, len(data), 32)]
