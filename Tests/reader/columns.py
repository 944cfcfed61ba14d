"""Chunks in columns, section 6.6 of format-spec.md: written from it alone, and read for clearness, not for speed."""
import struct

FIXED = {1: 8, 7: 12, 8: 1, 9: 8, 16: 4, 17: 8, 18: 8, 19: 16}
EMPTY = {6, 10, 127, 255}
START, END, ELEMENTS_MAX = 0, 1, 4096


class Broken(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Broken(what)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(0 <= count <= len(self.data) - self.at, "it is cut off")
        self.at += count
        return self.data[self.at - count:self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                need(value < 1 << 64, "an integer has more than 64 bits")
                return value

    def at_end(self):
        return self.at == len(self.data)


class Streams:
    """[J-1] to [J-3]; `unpack(frame, size)` decompresses."""

    def __init__(self, data, budget, unpack):
        self.budget, self.unpack = budget, unpack
        head = Reader(data)
        sizes = [head.varint() for _ in range(4)]
        need(sizes[0] <= budget and sizes[2] <= budget, "a size is beyond its bound")  # [J-4]
        self.directory = Reader(self.part(head, sizes[0], sizes[1]))
        self.group = Reader(self.part(head, sizes[2], sizes[3]))
        self.frames = Reader(head.take(len(data) - head.at))

    def part(self, source, size, stored):
        need(stored <= size, "a stored size is beyond the size")
        data = source.take(stored)
        return data if stored == size else self.unpack(data, size)

    def stream(self):
        size = self.directory.varint()
        need(size <= self.budget, "the streams are beyond their bound")
        self.budget -= size
        if size < 256:
            return self.group.take(size)
        return self.part(self.frames, size, self.directory.varint())

    def sequence(self, count):
        transform, base, unit, width = (self.directory.byte(), zigzag(self.directory.varint()),
                                        self.directory.varint(), self.directory.byte())
        need(transform < 2 and width <= 8, "a sequence makes no sense")
        numbers = [0] * count
        for k in range(width):
            stream = self.stream()
            need(len(stream) == count, "a stream has another size")
            numbers = [number | byte << 8 * k for number, byte in zip(numbers, stream)]
        if transform == 1:
            total = 0
            for place, number in enumerate(numbers):
                total += zigzag(number)
                numbers[place] = total
        return [(base + unit * number) % (1 << 64) for number in numbers]


def zigzag(value):
    return value >> 1 ^ -(value & 1)


def fixed(streams, count, width):
    parts = [streams.stream() for _ in range(width)]
    need(all(len(part) == count for part in parts), "a stream has another size")
    return bytes(byte for value in zip(*parts) for byte in value)


def dictionary(streams, width):
    table, numbers, values = Reader(streams.stream()), streams.stream(), []
    while not table.at_end():
        head = b"" if width else table.take(4)
        values.append(head + table.take(width or struct.unpack("<I", head)[0]))
    need(all(number < len(values) for number in numbers), "a number is beyond the dictionary")
    return b"".join(values[number] for number in numbers)


def cut(data, sizes):
    reader = Reader(data)
    parts = [reader.take(size) for size in sizes]
    need(reader.at_end(), "sizes do not add up")
    return parts


def is_word(token):
    return token[:1].isalnum() or token[0] > 127


def words(streams, sizes):
    word_count, escape_count = streams.directory.varint(), streams.directory.varint()
    vocabulary = streams.stream()
    need(word_count <= 65535 and escape_count <= streams.budget, "a count is beyond its bound")
    vocabulary = [b""] + cut(vocabulary, streams.sequence(word_count))
    numbers = list(streams.stream())
    if word_count > 255:
        high = streams.stream()
        need(len(high) == len(numbers), "a stream has another size")
        numbers = [low | byte << 8 for low, byte in zip(numbers, high)]
    escapes = streams.stream()
    escapes = iter(cut(escapes, streams.sequence(escape_count)))
    numbers, texts = iter(numbers), []
    for size in sizes:
        text, last = b"", b" "
        while len(text) < size:
            number = next(numbers, None)
            need(number is not None and number < len(vocabulary), "a number is beyond the vocabulary")
            token = vocabulary[number] if number else next(escapes, b"")
            need(token, "there are too few escapes")
            text += (b" " if is_word(token) and is_word(last) else b"") + token
            last = token
        need(len(text) == size, "a word is beyond its text")
        texts.append(text)
    need(next(numbers, None) is None and next(escapes, None) is None, "words are left over")
    return texts


def texts_as_values(texts):
    return b"".join(struct.pack("<I", len(text) + 1) + text + b"\0" for text in texts)


def column(streams):
    directory = streams.directory
    codec, size = directory.byte(), directory.varint()
    need(size <= streams.budget + (1 << 26), "a column is beyond its bound")
    if codec == 0:
        values = streams.stream()
    elif codec == 1:
        width = directory.byte()
        need(width in (4, 8), "integers of another width")
        numbers = streams.sequence(size // width)
        values = b"".join((number % (1 << 8 * width)).to_bytes(width, "little") for number in numbers)
    elif codec == 2:
        width = directory.byte()
        need(width in (8, 16), "values of another width")
        values = fixed(streams, size // width, width)
    elif codec == 3:
        exponent = directory.byte()
        need(exponent <= 6, "an exponent beyond the largest")
        numbers = [number - (number >> 63 << 64) for number in streams.sequence(size // 8)]
        values = b"".join(struct.pack("<d", float(number) / 10.0 ** exponent) for number in numbers)
    elif codec == 4:
        count = size // 12
        seconds, counters = streams.sequence(count), streams.sequence(count)
        inner = directory.byte()
        need(inner in (2, 5), "an unknown codec")
        machines = cut(dictionary(streams, 5) if inner == 5 else fixed(streams, count, 5), [5] * count)
        values = b"".join((s % (1 << 32)).to_bytes(4, "big") + m + (c % (1 << 24)).to_bytes(3, "big")
                          for s, m, c in zip(seconds, machines, counters))
    elif codec == 5:
        values = dictionary(streams, directory.byte())
    elif codec == 6:
        text = streams.stream()
        count = directory.varint()
        need(count <= size, "a count is beyond its bound")
        values = texts_as_values(cut(text, streams.sequence(count)))
    elif codec == 7:
        count = directory.varint()
        need(count <= size, "a count is beyond its bound")
        values = texts_as_values(words(streams, streams.sequence(count)))
    elif codec == 8:
        head = directory.take(5)
        length = struct.unpack("<I", head[:4])[0]
        data = streams.stream()
        values = b"".join(head + data[n * length:][:length] for n in range(size // (length + 5)))
    else:
        raise Broken("an unknown codec")
    need(len(values) == size, "a column has another size")
    return Reader(values)


class Element:
    def __init__(self, container, form, kind, name):
        self.container, self.form, self.kind, self.name = container, form, kind, name
        self.edges, self.names, self.values, self.inner = [], None, None, None


class Structure:
    """[J-5] to [J-7]."""

    def __init__(self, symbols, definitions, columns):
        self.symbols, self.definitions, self.columns = Reader(symbols), Reader(definitions), iter(columns)
        self.elements = [Element(START, None, 3, b""), Element(END, None, 0, b"")]

    def add(self, container, form):
        kind = self.definitions.byte()
        name = b""
        if form == 1:
            while (byte := self.definitions.take(1)) != b"\0":
                name += byte
        need(len(self.elements) + 2 <= ELEMENTS_MAX, "there are too many elements")
        element = Element(container, form, kind, name)
        if form == 3:
            element.names = next(self.columns, None)
        if kind in (3, 4):
            element.inner = len(self.elements)
            self.elements.append(Element(element.inner, None, kind, b""))
        elif kind not in EMPTY:
            element.values = next(self.columns, None)
        self.elements.append(element)
        return len(self.elements) - 1

    def next(self, node, container):
        symbol, edges = self.symbols.byte(), self.elements[node].edges
        if symbol < len(edges):
            return edges[symbol]
        need(symbol == 255 and len(edges) < 255, "an unknown symbol")
        code = self.definitions.varint()
        if code == 0:
            found = END
        elif code < 4:
            found = self.add(container, code)
        else:
            found = code - 4
            known = found < len(self.elements) and self.elements[found].form is not None
            need(known and self.elements[found].container == container, "an unknown element")
        edges.append(found)
        return found

    def document(self, container, depth):
        need(depth <= 256, "it is nested too deeply")
        parts, node, index = [], container, 0
        while True:
            node = self.next(node, container)
            if node == END:
                body = b"".join(parts) + b"\0"
                return struct.pack("<I", len(body) + 4) + body
            element = self.elements[node]
            if element.form == 3:
                name = value(element.names, 2)[4:]
            else:
                name = (str(index).encode() if element.form == 2 else element.name) + b"\0"
            if element.inner is not None:
                content = self.document(element.inner, depth + 1)
            else:
                content = b"" if element.kind in EMPTY else value(element.values, element.kind)
            parts.append(bytes([element.kind]) + name + content)
            index += 1


def value(values, kind):
    """The next value of a column."""
    need(values is not None, "there are too few columns")
    if kind in FIXED:
        return values.take(FIXED[kind])
    if kind == 11:
        ends = values.data.find(b"\0", values.data.find(b"\0", values.at) + 1)
        return values.take(ends + 1 - values.at)
    extra = {2: 4, 13: 4, 14: 4, 5: 5, 12: 16, 15: 0}
    need(kind in extra, "an unknown type")
    length = struct.unpack("<I", values.take(4))[0]
    values.at -= 4
    return values.take(length + extra[kind])


def decode(data, raw_size, unpack):
    """The documents of a chunk; raises Broken."""
    streams = Streams(data, raw_size * 4 + 65536, unpack)
    symbols, definitions = streams.stream(), streams.stream()
    columns = [column(streams) for _ in range(streams.directory.varint())]
    need(streams.directory.at_end() and streams.group.at_end() and streams.frames.at_end(), "bytes are left over")
    structure, parts, size = Structure(symbols, definitions, columns), [], 0
    while size < raw_size:
        parts.append(structure.document(START, 1))
        size += len(parts[-1])
    ended = [structure.symbols, structure.definitions, *columns]
    need(size == raw_size and all(reader.at_end() for reader in ended), "something is left over")
    return b"".join(parts)
