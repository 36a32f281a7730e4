# SPDX-License-Identifier: Apache-2.0
"""What a node's kernel has, asked without starting a program, so that a moment can be timed:
routes as the kernel tells of them, members of an ipset one question at a time."""

import contextlib
import errno
import os
import select
import socket
import struct
import time

from lablib import infra

RTMGRP_ROUTES = 0x40 | 0x400
RTM_NEWROUTE, RTM_DELROUTE = 24, 25
RTA_DST = 1
RCVBUF = 16 << 20
SO_RCVBUFFORCE = 33
NFNL_IPSET, IPSET_TEST = 6, 11
IPSET_ERR_EXIST = 4103  # the answer "no" of a test
NESTED, NETWORK_ORDER = 0x8000, 0x4000
POLL_S = 0.001


class KernelView:
    def __init__(self, node):
        with infra.inside(f"/proc/{node.host.pid}/ns/net"):
            self.routes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            self.sets = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self.routes.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF)
        self.routes.bind((0, RTMGRP_ROUTES))
        self.routes.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.routes.close()
        self.sets.close()

    def drain(self):
        """Forget what the kernel has told so far."""
        with contextlib.suppress(BlockingIOError):
            while self.routes.recv(65536):
                pass

    def route(self, prefix, there, seconds):
        """The moment the kernel tells that a route to prefix is there, or is gone; None: it did
        not within that time."""
        want = (RTM_NEWROUTE if there else RTM_DELROUTE, prefix)
        limit = time.monotonic() + seconds
        while (left := limit - time.monotonic()) > 0:
            if not select.select([self.routes], [], [], left)[0]:
                break
            data = self.routes.recv(65536)
            now = time.monotonic()
            if want in _told(data):
                return now
        return None

    def member(self, name, address, bits=None):
        """One question to a set; a set that does not exist has no members."""
        data = _attr(1 | NESTED, _attr(1 | NETWORK_ORDER, socket.inet_aton(address)))
        if bits is not None:
            data += _attr(3, bytes([bits]))
        body = struct.pack("=BBH", socket.AF_INET, 0, 0) + _attr(1, b"\7")
        body += _attr(2, name.encode() + b"\0") + _attr(7 | NESTED, data)
        head = struct.pack("=IHHII", 16 + len(body), NFNL_IPSET << 8 | IPSET_TEST, 5, 1, 0)
        self.sets.send(head + body)
        err = -struct.unpack_from("=i", self.sets.recv(4096), 16)[0]
        if err in (0, IPSET_ERR_EXIST):
            return err == 0
        if err == errno.ENOENT:
            return False
        raise OSError(err, f"ipset test {name}: {os.strerror(err)}")


def _attr(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _told(data):
    """(message type, IPv4 destination) of each route message."""
    out, at = set(), 0
    while at + 28 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if length < 28:
            break
        family, bits = data[at + 16], data[at + 17]
        attr = at + 28
        while family == socket.AF_INET and attr + 4 <= at + length:
            n, what = struct.unpack_from("=HH", data, attr)
            if what == RTA_DST:
                out.add((kind, f"{socket.inet_ntoa(data[attr + 4:attr + 8])}/{bits}"))
            attr += max(4, n + 3 & ~3)
        at += length + 3 & ~3
    return out


def moment(fn, seconds):
    """When fn became true; None: not within that time. Asked every millisecond."""
    limit = time.monotonic() + seconds
    while not fn():
        if time.monotonic() > limit:
            return None
        time.sleep(POLL_S)
    return time.monotonic()
