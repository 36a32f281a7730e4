# SPDX-License-Identifier: Apache-2.0
"""Run as a program: answers on ports with one line of JSON that says who asked.

    responder.py NAME PORT[/PROTO]...      PROTO: TCP, UDP or SCTP; without one, TCP and UDP

A datagram is answered from the address to which it came, as a service behind a virtual address
must; the answer repeats the first bytes of the question, so that probes can be told apart.
Standard library only and no site packages (python3 -IS), for there is one of these in each pod.
"""

import json
import selectors
import socket
import sys

WAITING_MAX = 128
ASKED_MAX = 32  # bytes of a question that are repeated
IPPROTO_SCTP = 132
IPV6_RECVPKTINFO, IPV6_PKTINFO, IN6_PKTINFO_LEN = 49, 50, 20
KINDS = {
    "TCP": (socket.SOCK_STREAM, 0),
    "UDP": (socket.SOCK_DGRAM, 0),
    "SCTP": (socket.SOCK_STREAM, IPPROTO_SCTP),
}


def listen(proto, port):
    """One socket for both families; IPv4 only where the kernel has no IPv6."""
    kind, number = KINDS[proto]
    try:
        s = socket.socket(socket.AF_INET6, kind, number)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        any_address = "::"
        if proto == "UDP":
            s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    except OSError:
        s = socket.socket(socket.AF_INET, kind, number)
        any_address = ""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((any_address, port))
    if kind == socket.SOCK_STREAM:
        s.listen(WAITING_MAX)
    s.setblocking(False)
    return s


def answer(name, peer, port, asked=b""):
    said = {"name": name, "saw": peer[0].removeprefix("::ffff:"), "port": port}
    if asked:
        said["asked"] = asked[:ASKED_MAX].decode("ascii", "replace").strip()
    return (json.dumps(said) + "\n").encode()


def serve_stream(name, s, port):
    conn, peer = s.accept()
    with conn:
        conn.sendall(answer(name, peer, port))  # far below a socket buffer


def serve_datagram(name, s, port):
    asked, notes, _, peer = s.recvmsg(2048, socket.CMSG_SPACE(IN6_PKTINFO_LEN))
    back = [
        (level, kind, data[:16] + bytes(4))  # the address; the way is the routing table's business
        for level, kind, data in notes
        if (level, kind) == (socket.IPPROTO_IPV6, IPV6_PKTINFO)
    ]
    s.sendmsg([answer(name, peer, port, asked)], back, 0, peer)


def main(name, words):
    sel = selectors.DefaultSelector()
    for word in words:
        port, _, proto = word.partition("/")
        for one in [proto] if proto else ["TCP", "UDP"]:
            serve = serve_datagram if one == "UDP" else serve_stream
            sel.register(listen(one, int(port)), selectors.EVENT_READ, (serve, int(port)))
    while True:
        for key, _ in sel.select():
            serve, port = key.data
            try:
                serve(name, key.fileobj, port)
            except OSError:
                pass  # the asker went away


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
