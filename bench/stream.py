# SPDX-License-Identifier: Apache-2.0
"""Is a packet lost while something happens? Numbered UDP datagrams from one pod to another at a
steady rate, sockets held by this process, nothing in between but the nodes' kernels. The receiver
is read afterwards, from its socket's buffer, so it cannot be late."""

import contextlib
import socket
import struct
import threading
import time

from lablib import infra

PORT = 9099
SO_RCVBUFFORCE = 33
RCVBUF = 256 << 20
DRAIN_S = 0.3


class Stream:
    """Use: with Stream(a, b, rate) as s: ...; then s.result()."""

    def __init__(self, source, target, rate):
        with infra.inside(target.pod.netns):
            self._in = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._in.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF)
        self._in.bind((target.ip, PORT))
        with infra.inside(source.pod.netns):
            self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to, self._step = (target.ip, PORT), 1.0 / rate
        self._sent, self._ending = [], threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()

    def _run(self):
        at = time.monotonic()
        while not self._ending.is_set():
            with contextlib.suppress(OSError):  # "no route": sent, as far as the pod is concerned
                self._out.sendto(struct.pack("!Q", len(self._sent)), self._to)
            self._sent.append(time.monotonic())
            at += self._step
            time.sleep(max(0.0, at - time.monotonic()))

    def result(self):
        """sent, lost, gap_ms: the longest time between two sent datagrams that arrived while one
        between them did not. A sender that this machine let wait makes no gap."""
        time.sleep(DRAIN_S)
        self._in.setblocking(False)
        came = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                came.add(struct.unpack("!Q", self._in.recv(64))[0])
        self._in.close()
        self._out.close()
        marks = [0, *sorted(came), len(self._sent) - 1]
        gaps = [self._sent[b] - self._sent[a] for a, b in zip(marks, marks[1:]) if b - a > 1]
        return {"sent": len(self._sent), "lost": len(self._sent) - len(came),
                "gap_ms": 1000 * max(gaps, default=0.0)}
