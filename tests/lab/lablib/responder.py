# SPDX-License-Identifier: Apache-2.0
"""Run as a program: answers on TCP and UDP ports with one line of JSON that says who asked.

    responder.py NAME PORT...

Standard library only and no site packages (python3 -IS), for there is one of these in each pod.
"""

import json
import selectors
import socket
import sys

WAITING_MAX = 128


def listen(kind, port):
    """One socket for both families; IPv4 only where the kernel has no IPv6."""
    try:
        s = socket.socket(socket.AF_INET6, kind)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        any_address = "::"
    except OSError:
        s = socket.socket(socket.AF_INET, kind)
        any_address = ""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((any_address, port))
    if kind == socket.SOCK_STREAM:
        s.listen(WAITING_MAX)
    s.setblocking(False)
    return s


def answer(name, peer, port):
    address = peer[0].removeprefix("::ffff:")
    return (json.dumps({"name": name, "saw": address, "port": port}) + "\n").encode()


def serve_one(name, s):
    port = s.getsockname()[1]
    try:
        if s.type == socket.SOCK_STREAM:
            conn, peer = s.accept()
            with conn:
                conn.sendall(answer(name, peer, port))  # far below a socket buffer
        else:
            _, peer = s.recvfrom(2048)
            s.sendto(answer(name, peer, port), peer)
    except OSError:
        pass  # the asker went away


def main(name, ports):
    sel = selectors.DefaultSelector()
    for port in ports:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            sel.register(listen(kind, int(port)), selectors.EVENT_READ)
    while True:
        for key, _ in sel.select():
            serve_one(name, key.fileobj)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
