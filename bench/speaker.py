# SPDX-License-Identifier: Apache-2.0
"""A BGP neighbour that does only what it is told: it listens in a node's network namespace, takes
every session (RFC 4271, RFC 6793), and announces or withdraws at a moment that the caller knows.
It never connects and chooses nothing, so what is timed is the agent."""

import contextlib
import select
import socket
import struct
import threading
import time

from lablib import infra, plan

MARKER = b"\xff" * 16
OPEN, UPDATE, KEEPALIVE = 1, 2, 4
HOLD_S = 90
PORT = 179


def _message(kind, body=b""):
    return MARKER + struct.pack("!HB", 19 + len(body), kind) + body


def _open(asn, router_id):
    capabilities = struct.pack("!BBHBB", 1, 4, 1, 0, 1)  # multiprotocol, IPv4 unicast
    capabilities += struct.pack("!BBI", 65, 4, asn)  # four-octet AS number
    parameter = struct.pack("!BB", 2, len(capabilities)) + capabilities
    body = struct.pack("!BHH4sB", 4, asn, HOLD_S, socket.inet_aton(router_id), len(parameter))
    return _message(OPEN, body + parameter)


def _nlri(prefix):
    address, _, bits = prefix.partition("/")
    return bytes([int(bits)]) + socket.inet_aton(address)[: (int(bits) + 7) // 8]


def _announce(prefix, next_hop):
    attributes = struct.pack("!BBBB", 0x40, 1, 1, 0)  # ORIGIN IGP
    attributes += struct.pack("!BBB", 0x40, 2, 0)  # AS_PATH, empty: iBGP
    attributes += struct.pack("!BBB4s", 0x40, 3, 4, socket.inet_aton(next_hop))
    attributes += struct.pack("!BBBI", 0x40, 5, 4, 100)  # LOCAL_PREF
    return _message(UPDATE, struct.pack("!HH", 0, len(attributes)) + attributes + _nlri(prefix))


def _withdraw(prefix):
    gone = _nlri(prefix)
    return _message(UPDATE, struct.pack("!H", len(gone)) + gone + struct.pack("!H", 0))


class Speaker:
    """Takes sessions on ip:179 of a host until stop(). `routes` are announced in each of them."""

    def __init__(self, host, routes=(), asn=plan.ASN):
        self.ip, self.asn, self.routes = host.ip, asn, list(routes)
        self.established, self.accepted = [], 0  # sockets, oldest first
        with infra.inside(f"/proc/{host.pid}/ns/net"):
            self._listener = socket.create_server((self.ip, PORT), reuse_port=False)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._ending.set()
        self._thread.join()

    def wait(self, seconds):
        """Until a session is established; False: none within that time."""
        limit = time.monotonic() + seconds
        while not self.established:
            if time.monotonic() > limit:
                return False
            time.sleep(0.005)
        return True

    def announce(self, prefix):
        self._send(_announce(prefix, self.ip))

    def withdraw(self, prefix):
        self._send(_withdraw(prefix))

    def _send(self, message):
        if not self.established:
            raise ConnectionError("no session is established")
        self.established[-1].sendall(message)

    def _run(self):
        sessions, spoken = {}, time.monotonic()  # socket: bytes not yet understood
        while not self._ending.is_set():
            for s in select.select([self._listener, *sessions], [], [], 0.2)[0]:
                if s is self._listener:
                    new = s.accept()[0]
                    new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.accepted += 1
                    new.sendall(_open(self.asn, self.ip))
                    sessions[new] = b""
                elif not self._read(s, sessions):
                    del sessions[s]
                    if s in self.established:
                        self.established.remove(s)
                    s.close()
            if time.monotonic() - spoken > HOLD_S / 6:
                spoken = time.monotonic()
                for s in list(self.established):
                    with contextlib.suppress(OSError):
                        s.sendall(_message(KEEPALIVE))
        for s in (self._listener, *sessions):
            s.close()

    def _read(self, s, sessions):
        """False when the session is over."""
        try:
            data = s.recv(65536)
            buffer = sessions[s] + data
            while len(buffer) >= 19 and len(buffer) >= struct.unpack_from("!H", buffer, 16)[0]:
                length, kind = struct.unpack_from("!HB", buffer, 16)
                self._take(s, kind)
                buffer = buffer[length:]
            sessions[s] = buffer
            return bool(data)
        except OSError:
            return False

    def _take(self, s, kind):
        if kind == OPEN:
            s.sendall(_message(KEEPALIVE))
        elif kind == KEEPALIVE and s not in self.established:
            for prefix in self.routes:
                s.sendall(_announce(prefix, self.ip))
            self.established.append(s)
