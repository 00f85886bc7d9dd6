#!/usr/bin/env python3
"""A second implementation of docs/measurement.md, and modules to try both with.

  measure.py FILE...                 the measurements, as `fnvm measure` prints them
  measure.py --rewrite SEED IN OUT   IN with section sizes encoded in more bytes, custom sections in
                                     other places, and some more that do not count
  measure.py --change SEED IN OUT    IN with one byte of a counted section changed
"""
import hashlib
import random
import struct
import sys

COUNTED = {"dylink", "dylink.0", "linking"}
LEFT_OUT = ["name", "producers", "note", ".debug_line", "build_id", "sourceMappingURL",
            "metadata.code.branch_hint", "reloc..debug_info", "external_debug_info", "\u00fcber"]


def counts(name):
    if name.startswith("reloc..debug_"):
        return False
    return name in COUNTED or name.startswith(("reloc.", "component-type"))


def leb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def encode(n, width=1):
    out = bytearray()
    while n > 0x7F or len(out) + 1 < width:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def sections(data):
    """(id, name or None, payload, its offset) of each."""
    assert data[:8] == b"\0asm\1\0\0\0"
    at, found = 8, []
    while at < len(data):
        number = data[at]
        size, at = leb(data, at + 1)
        end, name = at + size, None
        if number == 0:
            length, at = leb(data, at)
            name = data[at:at + length].decode()
            at += length
        found.append((number, name, data[at:end], at))
        at = end
    return found


def measure(data):
    h = hashlib.blake2b(digest_size=32, person=b"fnvm measure 1")
    customs = []
    for number, name, payload, _ in sections(data):
        if number != 0:
            h.update(struct.pack("<BQ", number, len(payload)) + payload)
        elif counts(name):
            customs.append((name.encode(), payload))
    for name, payload in sorted(customs, key=lambda custom: custom[0]):
        h.update(struct.pack("<BQ", 0, len(name)) + name)
        h.update(struct.pack("<Q", len(payload)) + payload)
    return h.hexdigest()


def rewrite(data, rng):
    standard = [(n, None, p) for n, name, p, _ in sections(data) if n != 0]
    customs = [(name, p) for n, name, p, _ in sections(data) if n == 0]
    queues = {}
    for name, payload in customs:
        queues.setdefault(name, []).append(payload)
    order = [name for name, _ in customs]
    rng.shuffle(order)
    shuffled = [(0, name, queues[name].pop(0)) for name in order]
    for _ in range(rng.randint(1, 5)):
        shuffled.append((0, rng.choice(LEFT_OUT), rng.randbytes(rng.randint(0, 40))))
    for custom in shuffled:
        place = rng.randint(0, len(standard))
        while custom[1] in order and place < len(standard) and any(
                other[1] == custom[1] for other in standard[place:]):
            place += 1  # those of one name stay in their order
        standard.insert(place, custom)
    out = bytearray(data[:8])
    for number, name, payload in standard:
        if name is not None:
            text = name.encode()
            payload = encode(len(text), rng.randint(1, 5)) + text + payload
        out.append(number)
        out += encode(len(payload), rng.randint(1, 5)) + payload
    return bytes(out)


def change(data, rng):
    counted = [(at, len(payload)) for n, name, payload, at in sections(data)
               if payload and (n != 0 or counts(name))]
    at, size = rng.choice(counted)
    out = bytearray(data)
    out[at + rng.randrange(size)] ^= rng.randint(1, 255)
    return bytes(out)


def main(args):
    if args and args[0] in ("--rewrite", "--change"):
        how = rewrite if args[0] == "--rewrite" else change
        with open(args[2], "rb") as source, open(args[3], "wb") as target:
            target.write(how(source.read(), random.Random(int(args[1]))))
        return
    for name in args:
        with open(name, "rb") as file:
            print(f"{measure(file.read())}  {name}")


main(sys.argv[1:])
