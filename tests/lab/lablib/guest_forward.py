# SPDX-License-Identifier: Apache-2.0
"""Run as a program, in the guest's LAB-infra: stands where the API server stands in a lab without
a guest, and hands each connection to qemu, which hands it to the server on the machine.

    guest_forward.py UNIX-PATH [ADDRESS]:PORT...

It listens in its own network namespace and connects from that of PID 1. Bytes go through pipes by
splice(), so their number does not matter to this (slow) machine.
"""

import ctypes
import os
import selectors
import socket
import sys

PLAIN, TLS = ("10.0.2.100", 80), ("10.0.2.100", 6443)
CLONE_NEWNET = 0x40000000
CHUNK = 1 << 16
BACKLOG = 512
CONNECTIONS_MAX = 2000
SPLICE_F = 1 | 2  # MOVE, NONBLOCK

_libc = ctypes.CDLL(None, use_errno=True)


class Outside:
    """Makes sockets that belong to PID 1's network namespace."""

    def __init__(self):
        self.own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.other = os.open("/proc/1/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @staticmethod
    def _enter(fd):
        if _libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def connecting(self, address):
        self._enter(self.other)
        try:
            s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        finally:
            self._enter(self.own)
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.connect_ex(address)
        return s


class Way:
    """One direction of a connection: socket -> pipe -> socket. At most CHUNK bytes wait in it."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.r, self.w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.held, self.ended = 0, False

    def fill(self):
        n = os.splice(self.source.fileno(), self.w, CHUNK, flags=SPLICE_F)
        if n == 0:
            self.ended = True
        self.held += n

    def drain(self):
        self.held -= os.splice(self.r, self.sink.fileno(), self.held, flags=SPLICE_F)

    def step(self):
        """Move what can be moved now."""
        try:
            if not self.held and not self.ended:
                self.fill()
            if self.held:
                self.drain()
        except BlockingIOError:
            pass
        if self.ended and not self.held:
            try:
                self.sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def close(self):
        os.close(self.r)
        os.close(self.w)


class Pair:
    def __init__(self, sel, near, far):
        self.sel, self.near, self.far = sel, near, far
        self.there, self.back = Way(near, far), Way(far, near)
        self.connected = False
        self.now = {near: 0, far: 0}
        self.want()

    def _events(self, source_way, sink_way):
        events = 0
        if not source_way.held and not source_way.ended:
            events |= selectors.EVENT_READ
        if sink_way.held:
            events |= selectors.EVENT_WRITE
        return events

    def want(self):
        if not self.connected:
            wanted = {self.near: 0, self.far: selectors.EVENT_WRITE}
        else:
            wanted = {self.near: self._events(self.there, self.back),
                      self.far: self._events(self.back, self.there)}
        for sock, events in wanted.items():
            if events == self.now[sock]:
                continue
            if not self.now[sock]:
                self.sel.register(sock, events, self)
            elif not events:
                self.sel.unregister(sock)
            else:
                self.sel.modify(sock, events, self)
            self.now[sock] = events

    def step(self):
        """False when the connection is over."""
        try:
            if not self.connected:
                if self.far.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return False
                self.connected = True
            self.there.step()
            self.back.step()
        except OSError:
            return False
        if self.back.ended and not self.back.held:
            return False  # the server has said all
        self.want()
        return True

    def close(self):
        for sock, events in self.now.items():
            if events:
                self.sel.unregister(sock)
            sock.close()
        self.there.close()
        self.back.close()


class Forwarder:
    def __init__(self):
        self.sel = selectors.DefaultSelector()
        self.outside = Outside()
        self.pairs = set()

    def listen(self, sock, address):
        sock.setblocking(False)
        sock.listen(BACKLOG)
        self.sel.register(sock, selectors.EVENT_READ, address)

    def accept(self, listener, address):
        try:
            near, _ = listener.accept()
        except OSError:
            return
        if len(self.pairs) >= CONNECTIONS_MAX:
            near.close()
            return
        near.setblocking(False)
        if near.family != socket.AF_UNIX:
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pairs.add(Pair(self.sel, near, self.outside.connecting(address)))

    def run(self):
        while True:
            for key, _ in self.sel.select():
                if not isinstance(key.data, Pair):
                    self.accept(key.fileobj, key.data)
                elif key.data in self.pairs and not key.data.step():
                    self.pairs.discard(key.data)
                    key.data.close()


def _tcp(text):
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, int(port)))
    return s


def main(unix_path, *listens):
    forwarder = Forwarder()
    for text in listens:
        forwarder.listen(_tcp(text), TLS)
    old = os.umask(0o077)
    plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    plain.bind(unix_path)
    os.umask(old)
    forwarder.listen(plain, PLAIN)
    print("ready", flush=True)
    forwarder.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
