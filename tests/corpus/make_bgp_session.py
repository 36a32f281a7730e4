#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of bgp-session beside this file: what a peer says in each state of a session.

The first byte is explained in src/bgp/session_fuzz.c. The same run writes the same bytes; inputs that
a fuzzer found are added by hand and are left alone.
"""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "bgp-session"
START, OPENED, UP = 0, 1, 2
EXTERNAL, SPLIT = 4, 8
TIME, CHANGE, DELETE = 0x10, 0x20, 0x30


def message(kind, body=b""):
    return b"\xff" * 16 + struct.pack(">HB", 19 + len(body), kind) + body


def open_(asn=64512, hold=90, bgp_id=0x0A000002, version=4, caps=b""):
    opts = struct.pack(">BB", 2, len(caps)) + caps if caps else b""
    return message(1, struct.pack(">BHHIB", version, asn, hold, bgp_id, len(opts)) + opts)


def update(gone=b"", attrs=b"", reach=b""):
    return message(2, struct.pack(">H", len(gone)) + gone + struct.pack(">H", len(attrs)) + attrs + reach)


KEEPALIVE = message(4)
NET = bytes.fromhex("180a0203")
IBGP = bytes.fromhex("40010100 400200 4003040a000002 40050400000064")
EBGP = bytes.fromhex("40010100 4002060201 0000fde9 4003040a000002")
LOOP = bytes.fromhex("40010100 4002060201 0000fc00 4003040a000002 40050400000064")
NO_HOP = bytes.fromhex("40010100 400200 40050400000064")
MP = bytes.fromhex(
    "40010100 400200 40050400000064 800e1a 0002 01 10 20010db8000000000000000000000002 00"
    "20 20010db8")
MANY = b"".join(b"\x20\x0b\x00" + struct.pack(">H", i) for i in range(700))

SEEDS = {
    "handshake": (START, open_() + KEEPALIVE),
    "handshake-split": (START | SPLIT, open_() + KEEPALIVE + update(attrs=IBGP, reach=NET)),
    "keepalive-first": (START, KEEPALIVE),
    "open-wrong-as": (START | EXTERNAL, open_()),
    "open-version": (START, open_(version=3)),
    "open-hold-1": (START, open_(hold=1)),
    "open-own-id": (START, open_(bgp_id=0x0A000001)),
    "open-twice": (OPENED, open_()),
    "update-early": (OPENED, update(attrs=IBGP, reach=NET)),
    "announce": (UP, update(attrs=IBGP, reach=NET)),
    "announce-external": (UP | EXTERNAL, update(attrs=EBGP, reach=NET)),
    "announce-ipv6": (UP, update(attrs=MP)),
    "announce-withdraw": (UP, update(attrs=IBGP, reach=NET) + update(gone=NET)),
    "announce-then-time": (UP | TIME, update(attrs=IBGP, reach=NET)),
    "announce-then-change": (UP | CHANGE, update(attrs=IBGP, reach=NET)),
    "announce-then-delete": (UP | DELETE, update(attrs=IBGP, reach=NET)),
    "as-loop": (UP, update(attrs=LOOP, reach=NET)),
    "no-next-hop": (UP, update(attrs=IBGP, reach=NET) + update(attrs=NO_HOP, reach=NET)),
    "default-route": (UP, update(attrs=IBGP, reach=b"\0")),
    "prefix-limit": (UP | TIME, update(attrs=IBGP, reach=MANY[:3500])
                     + update(attrs=IBGP, reach=MANY.replace(b"\x20\x0b", b"\x20\x0c")[:3500])),
    "prefix-long": (UP, update(attrs=IBGP, reach=b"\x21\x0a\x00\x00\x00\x00")),
    "end-of-rib": (UP, update() + update(attrs=bytes.fromhex("800f03000201"))),
    "refresh": (UP, message(5, bytes.fromhex("00010001")) + message(5, bytes.fromhex("00020001"))),
    "notification": (UP | TIME, message(3, bytes.fromhex("0603"))),
    "notification-then-more": (UP, message(3, bytes.fromhex("0602")) + KEEPALIVE),
    "marker": (UP, b"\0" * 19),
    "length-65535": (UP, b"\xff" * 16 + b"\xff\xff\x02" + b"\0" * 64),
}


def main():
    HERE.mkdir(exist_ok=True)
    for name, (first, data) in SEEDS.items():
        (HERE / name).write_bytes(bytes([first]) + data)


main()
