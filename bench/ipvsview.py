# SPDX-License-Identifier: Apache-2.0
"""The servers of one virtual service, asked over generic netlink without starting a program."""

import socket
import struct

from kernelview import _attr
from lablib import infra

GENERIC, GENL_ID_CTRL, CTRL_GETFAMILY = 16, 16, 3
FAMILY_ID, FAMILY_NAME = 1, 2
GET_DEST = 8
SERVICE, DEST = 1, 2  # of a command
AF, PROTOCOL, ADDR, PORT = 1, 2, 3, 4  # of a service
D_ADDR, D_PORT, D_WEIGHT = 1, 2, 4  # of a destination
REQUEST, DUMP = 1, 0x300
ERROR, DONE = 2, 3
NESTED = 0x8000


class IpvsView:
    def __init__(self, node):
        with infra.inside(f"/proc/{node.host.pid}/ns/net"):
            self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, GENERIC)
        self.family = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def _send(self, kind, flags, command, version, attrs):
        head = struct.pack("=IHHIIBBH", 20 + len(attrs), kind, flags, 1, 0, command, version, 0)
        self.sock.send(head + attrs)

    def _find(self):
        self._send(GENL_ID_CTRL, REQUEST, CTRL_GETFAMILY, 1, _attr(FAMILY_NAME, b"IPVS\0"))
        data = self.sock.recv(65536)
        if struct.unpack_from("=H", data, 4)[0] == GENL_ID_CTRL:
            self.family = struct.unpack("=H", dict(_attrs(data[20:]))[FAMILY_ID])[0]

    def servers(self, address, port):
        """{address: weight}; of a service that is not there, {}."""
        if self.family is None:
            self._find()  # the module may come with the first user
            if self.family is None:
                return {}
        service = _attr(AF, struct.pack("=H", socket.AF_INET)) + _attr(PROTOCOL, b"\6\0")
        service += _attr(ADDR, socket.inet_aton(address)) + _attr(PORT, struct.pack("!H", port))
        self._send(self.family, REQUEST | DUMP, GET_DEST, 1, _attr(SERVICE | NESTED, service))
        found = {}
        while True:
            data, at = self.sock.recv(1 << 20), 0
            while at + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind in (ERROR, DONE):
                    return found
                for what, value in _attrs(data[at + 20:at + length]):
                    if what == DEST:
                        dest = dict(_attrs(value))
                        ip = socket.inet_ntoa(dest[D_ADDR][:4])
                        found[ip] = struct.unpack("=I", dest[D_WEIGHT])[0]
                at += length + 3 & ~3


def _attrs(data):
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, data[at + 4:at + length]
        at += length + 3 & ~3
