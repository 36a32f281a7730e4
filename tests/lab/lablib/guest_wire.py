# SPDX-License-Identifier: Apache-2.0
"""What the machine and its guest say to each other: one TCP connection for each call.

    machine -> guest   4 bytes length, a JSON object: token, kind, argv, root, cwd, env
    both ways          frames: 1 byte type, 4 bytes length, data

The guest answers the object with one HELLO frame, or closes the connection if it does not like it.
The connection ends with EXIT. Pure, but for reading and writing the socket that it is handed.
"""

import json
import struct

HELLO, STDIN, SIGNAL, STDOUT, STDERR, EXIT = b"h", b"i", b"s", b"o", b"e", b"x"
HEAD = struct.Struct(">cI")
LENGTH = struct.Struct(">I")
REQUEST_MAX = 1 << 20
FRAME_MAX = 1 << 16
ADDRESS, PORT = "10.0.2.15", 7  # where the guest listens, on the network between it and qemu
API_ADDRESS, API_TLS, API_PLAIN = "10.0.2.100", 6443, 80  # where qemu answers for the API server


class Closed(Exception):
    """The other side is gone, or talks nonsense."""


def read_exactly(sock, n):
    out = b""
    while len(out) < n:
        data = sock.recv(n - len(out))
        if not data:
            raise Closed("connection closed")
        out += data
    return out


def send_request(sock, request):
    raw = json.dumps(request).encode()
    if len(raw) > REQUEST_MAX:
        raise Closed(f"a command line of {len(raw)} bytes; {REQUEST_MAX} is the most")
    sock.sendall(LENGTH.pack(len(raw)) + raw)


def read_request(sock):
    (n,) = LENGTH.unpack(read_exactly(sock, LENGTH.size))
    if n > REQUEST_MAX:
        raise Closed("request too long")
    try:
        request = json.loads(read_exactly(sock, n))
    except ValueError:
        raise Closed("request is not JSON") from None
    if not isinstance(request, dict):
        raise Closed("request is not an object")
    return request


def send(sock, kind, data=b""):
    sock.sendall(HEAD.pack(kind, len(data)) + data)


def read(sock):
    """(type, data)"""
    kind, n = HEAD.unpack(read_exactly(sock, HEAD.size))
    if n > FRAME_MAX:
        raise Closed("frame too long")
    return kind, read_exactly(sock, n)
