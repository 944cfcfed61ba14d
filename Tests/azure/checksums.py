"""The two checksums that the service verifies: MD5, and the CRC-64 that its documentation calls x-ms-content-crc64."""

import base64
import hashlib

# Reflected form of 0xAD93D23594C93659, the polynomial of CRC-64/NVME; Azure's is the same with the same start and end
# values (all ones) and is sent as eight bytes, the least significant one first.
POLYNOMIAL = 0x9A6C9329AC4BC9B5
ONES = 0xFFFFFFFFFFFFFFFF
# Bit i of the reflected constant is the term x^(63-i), which lies i + 1 places below x^64.
OFFSETS = [bit + 1 for bit in range(64) if POLYNOMIAL >> bit & 1]
# Lane sizes in bytes, powers of two: the first is quick on long messages, each further one takes what that one left.
LANES = (8192, 512, 32)


def _make_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


TABLE = _make_table()


def _fold(data, size):
    """A shorter message with the same remainder: of the whole lanes of `size` bytes only the last 64 are left.

    Squaring k times over GF(2) turns the polynomial P(x) into P(x^(2^k)), a multiple of P. So the message may be
    divided lane by lane as P divides bit by bit, and a lane is one integer: a few long exclusive-ors, where going
    through the bytes would take Python a hundred times as long.
    """
    count = len(data) // size
    lanes = [int.from_bytes(data[size * lane:size * (lane + 1)], "little") for lane in range(count)]
    for lane in range(count - 64):
        top = lanes[lane]
        for offset in OFFSETS:
            lanes[lane + offset] ^= top
    rest = [lane.to_bytes(size, "little") for lane in lanes[max(0, count - 64):]]
    return b"".join(rest) + bytes(data[size * count:])


def _update(value, data):
    if len(data) >= 8:
        first = (int.from_bytes(data[:8], "little") ^ value).to_bytes(8, "little")
        data, value = first + bytes(data[8:]), 0
        for size in LANES:
            data = _fold(memoryview(data), size)
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value


def md5_base64(parts):
    """MD5 of the parts in sequence, in base64."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return base64.b64encode(digest.digest()).decode()


def crc64_base64(parts):
    """CRC-64 of the parts in sequence, as the service writes it."""
    value = ONES
    for part in parts:
        value = _update(value, part)
    return base64.b64encode((value ^ ONES).to_bytes(8, "little")).decode()
