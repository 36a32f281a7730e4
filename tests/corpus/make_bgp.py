#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of bgp-msg, bgp-open and bgp-update, sound and malformed, beside this file.

Names are what is in a seed; the same run writes the same bytes. Inputs that a fuzzer found are added
by hand and are left alone.
"""
import pathlib
import re
import struct

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE.parent / "golden" / "bgp"
MARKER = b"\xff" * 16


def write(target, name, data):
    path = HERE / target / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def golden(name):
    text = (GOLDEN / f"{name}.hex").read_text()
    return bytes.fromhex("".join(re.sub("#.*", "", line) for line in text.splitlines()))


def message(kind, body):
    return MARKER + struct.pack(">HB", 19 + len(body), kind) + body


def attr(flags, code, value):
    if len(value) > 255:
        return struct.pack(">BBH", flags | 0x10, code, len(value)) + value
    return struct.pack(">BBB", flags, code, len(value)) + value


def path(size, *segments):
    out = b""
    for kind, asns in segments:
        out += bytes([kind, len(asns)])
        out += b"".join(a.to_bytes(size, "big") for a in asns)
    return out


HOP6 = bytes.fromhex("20010db8000000000000000000000001")
NET4 = bytes.fromhex("180a0102")
NET6 = bytes.fromhex("4020010db800420001")
BIG = 4200000001

ORIGIN = attr(0x40, 1, b"\0")
EMPTY_PATH = attr(0x40, 2, b"")
NEXT_HOP = attr(0x40, 3, bytes([10, 0, 0, 1]))

# One sound example of each attribute; session byte: bit 0 4-octet ASNs, bit 1 iBGP.
ATTRS = {
    "origin": (3, ORIGIN),
    "as-path": (1, attr(0x40, 2, path(4, (2, [BIG, 64512]), (1, [1, 2])))),
    "as-path-2": (0, attr(0x40, 2, path(2, (2, [23456, 64512]), (1, [1, 2])))),
    "as-path-confed": (3, attr(0x40, 2, path(4, (3, [65001]), (4, [65002]), (2, [64512])))),
    "next-hop": (3, NEXT_HOP),
    "med": (3, attr(0x80, 4, b"\0\0\0\5")),
    "local-pref": (3, attr(0x40, 5, b"\0\0\0\x64")),
    "atomic": (3, attr(0x40, 6, b"")),
    "aggregator": (1, attr(0xC0, 7, BIG.to_bytes(4, "big") + bytes([10, 0, 0, 9]))),
    "aggregator-2": (0, attr(0xC0, 7, b"\x5b\xa0" + bytes([10, 0, 0, 9]))),
    "communities": (1, attr(0xC0, 8, bytes.fromhex("fc000001ffffff01"))),
    "originator": (3, attr(0x80, 9, bytes([10, 0, 0, 2]))),
    "cluster-list": (3, attr(0x80, 10, bytes([10, 0, 0, 2, 10, 0, 0, 3]))),
    "mp-reach": (3, attr(0x80, 14, b"\0\2\1\x10" + HOP6 + b"\0" + NET6)),
    "mp-reach-link-local": (3, attr(0x80, 14, b"\0\2\1\x20" + HOP6 + b"\xfe\x80" + HOP6[2:] + b"\0" + NET6)),
    "mp-reach-ipv4": (3, attr(0x80, 14, b"\0\1\1\4" + bytes([10, 0, 0, 1]) + b"\0" + NET4)),
    "mp-reach-evpn": (3, attr(0x80, 14, b"\0\x19\x46\0\0" + b"\xff" * 8)),
    "mp-unreach": (3, attr(0x80, 15, b"\0\2\1" + NET6)),
    "ext-communities": (1, attr(0xC0, 16, bytes.fromhex("0002fc0000000001"))),
    "as4-path": (0, attr(0x40, 2, path(2, (2, [64512, 23456]))) + attr(0xC0, 17, path(4, (2, [BIG])))),
    "as4-aggregator": (0, attr(0xC0, 7, b"\x5b\xa0" + bytes([10, 0, 0, 9]))
                       + attr(0xC0, 18, BIG.to_bytes(4, "big") + bytes([10, 0, 0, 9]))),
    "large": (1, attr(0xC0, 32, bytes.fromhex("0000fc000000000100000002"))),
    "unknown-transitive": (1, attr(0xC0, 99, b"opaque")),
    "unknown-long": (1, attr(0xC0, 99, b"x" * 300)),
    "unknown-optional": (1, attr(0x80, 99, b"opaque")),
    "unknown-well-known": (1, attr(0x40, 99, b"opaque")),
}


def update(session, attrs, nlri=b"", gone=b""):
    return (bytes([session]) + struct.pack(">H", len(gone)) + gone
            + struct.pack(">H", len(attrs)) + attrs + nlri)


def mandatory(without):
    return b"".join(a for a in (ORIGIN, EMPTY_PATH, NEXT_HOP) if a[1] != without)


def updates():
    for name, (session, one) in ATTRS.items():
        rest = mandatory(one[1])
        write("bgp-update", f"attr-{name}", update(session, rest + one, NET4))
        # cut by one byte, its length field corrected or not; twice; wrong flags
        body = one[3:] if not one[0] & 0x10 else one[4:]
        if body:
            write("bgp-update", f"short-{name}", update(session, rest + attr(one[0] & 0xEF, one[1], body[:-1]), NET4))
        write("bgp-update", f"cut-{name}", update(session, rest + one[:-1], NET4))
        write("bgp-update", f"twice-{name}", update(session, rest + one + one, NET4))
        write("bgp-update", f"flags-{name}", update(session, rest + bytes([one[0] ^ 0xC0]) + one[1:], NET4))
    base = mandatory(0)
    write("bgp-update", "withdraw", update(3, b"", b"", NET4 + b"\x10\x0a\x03\0"))
    write("bgp-update", "eor-ipv4", update(3, b""))
    write("bgp-update", "eor-ipv6", update(3, attr(0x80, 15, b"\0\2\1")))
    write("bgp-update", "nlri-33", update(3, base, b"\x21\x0a\0\0\0\0"))
    write("bgp-update", "nlri-cut", update(3, base, b"\x18\x0a"))
    write("bgp-update", "nlri-host-bits", update(3, base, b"\x09\x0a\xff"))
    write("bgp-update", "only-ipv6", update(7, base, NET4))
    write("bgp-update", "only-ipv4", update(11, base + ATTRS["mp-reach"][1]))
    write("bgp-update", "missing-all", update(3, b"", NET4))
    write("bgp-update", "lengths-wrong", b"\3\0\x10\0\0")
    write("bgp-update", "path-long", update(0, ORIGIN + NEXT_HOP + attr(
        0x40, 2, path(2, *[(2, [23456] * 255)] * 10)), NET4))
    everything = b"".join(a for n, (_, a) in ATTRS.items()
                          if n in ("origin", "as-path", "next-hop", "med", "local-pref", "atomic", "aggregator",
                                   "communities", "originator", "cluster-list", "mp-reach", "mp-unreach",
                                   "ext-communities", "large", "unknown-transitive"))
    write("bgp-update", "everything", update(3, everything, NET4, NET4))


def opens():
    head = bytes.fromhex("04fc00005a0a000001")
    caps = {
        "mp": b"\1\4\0\1\0\1", "mp6": b"\1\4\0\2\0\1", "mp-short": b"\1\3\0\1\0", "refresh": b"\2\0",
        "refresh-long": b"\2\1\0", "ext-nexthop": b"\5\6\0\1\0\1\0\2", "ext-nexthop-short": b"\5\5\0\1\0\1\0",
        "ext-msg": b"\6\0", "gr": b"\x40\6\x80\x78\0\1\1\x80", "gr-short": b"\x40\1\0", "gr-half": b"\x40\5\0\1\0\1\1",
        "as4": b"\x41\4" + BIG.to_bytes(4, "big"), "as4-short": b"\x41\3\0\0\1",
        "fqdn": b"\x49\x08\6node-a\0", "fqdn-over": b"\x49\2\7x", "unknown": b"\xc8\2\1\2", "over": b"\1\xff",
    }
    for name, cap in caps.items():
        write("bgp-open", f"cap-{name}", head + bytes([len(cap) + 2, 2, len(cap)]) + cap)
        write("bgp-open", f"extended-{name}",
              head + b"\xff\xff" + struct.pack(">HBH", len(cap) + 3, 2, len(cap)) + cap)
    write("bgp-open", "full", golden("open-full")[19:])
    write("bgp-open", "plain", golden("open-plain")[19:])
    write("bgp-open", "version-3", b"\3" + head[1:] + b"\0")
    write("bgp-open", "hold-1", bytes.fromhex("04fc0000010a00000100"))
    write("bgp-open", "option-unknown", head + b"\3\1\1\0")
    write("bgp-open", "trailing", head + b"\0\0")


def messages():
    everything = b""
    for file in sorted(GOLDEN.glob("*.hex")):
        write("bgp-msg", file.stem, golden(file.stem))
        everything += golden(file.stem)
    write("bgp-msg", "all", everything)
    write("bgp-msg", "marker", b"\xff" * 15 + b"\xfe" + golden("keepalive")[16:])
    write("bgp-msg", "keepalive-body", message(4, b"\0"))
    write("bgp-msg", "type-0", message(0, b"\0" * 4))
    write("bgp-msg", "type-6", message(6, b"\0" * 4))
    write("bgp-msg", "refresh-long", message(5, b"\0\1\0\1\0"))
    write("bgp-msg", "refresh-evpn", message(5, b"\0\x19\0\x46"))
    write("bgp-msg", "length-18", MARKER + b"\0\x12\4")
    write("bgp-msg", "notification-hard", message(3, b"\6\x09\6\2\3bye"))
    write("bgp-msg", "notification-text-over", message(3, b"\6\2\x09bye"))
    write("bgp-msg", "notification-long", message(3, b"\6\2" + b"x" * 5000))


messages()
opens()
updates()
