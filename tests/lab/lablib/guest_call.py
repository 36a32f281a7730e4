# SPDX-License-Identifier: Apache-2.0
"""The machine's end of a call into the guest: hands over a command line, then standard input,
output and signals, and returns the exit status."""

import contextlib
import itertools
import os
import select
import signal
import socket
import stat
import sys

from lablib import guest_wire as wire
from lablib.errors import LabError

HELLO_S = 10
OWN_OF_GUEST = ("/proc/", "/sys/", "/run/", "/dev/")  # the machine's are others
TREE_VERB, TREE_MAX = "policy-test", 1000  # this verb's word is a directory of files
PASSED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _open(facts, request):
    try:
        sock = socket.create_connection(("127.0.0.1", facts["port"]), timeout=HELLO_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.send_request(sock, dict(request, token=facts["token"]))
        kind, _ = wire.read(sock)
    except (wire.Closed, OSError) as e:
        raise LabError(f"the guest does not answer: {e}") from None
    if kind != wire.HELLO:
        raise LabError("the guest does not answer as it should")
    sock.settimeout(None)
    return sock


def _files(words):
    """[path, size, change time] of what the command may read: the guest remembers files of the
    machine, and these may have changed since it saw them."""
    out = []
    for word in words:
        path = os.path.abspath(word.partition("=")[2] if word.startswith("--") else word)
        if path.startswith(OWN_OF_GUEST):
            continue
        tree = [path]
        if words[0] == TREE_VERB and os.path.isdir(path):
            tree = (os.path.join(d, f) for d, _, names in os.walk(path) for f in names)
        for file in itertools.islice(tree, TREE_MAX):
            with contextlib.suppress(OSError):
                st = os.stat(file)
                if stat.S_ISREG(st.st_mode):
                    out.append([file, st.st_size, st.st_mtime_ns])
    return out


def _request(kind, argv, root, env, agent_path):
    words = list(argv) + ([agent_path] if agent_path else [])
    return {"kind": kind, "argv": list(argv), "root": root, "cwd": os.getcwd(), "env": env or {},
            "files": _files(words)}


class _Signals:
    """While it is open, signals become bytes in a pipe."""

    def __enter__(self):
        self.r, w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.w = w
        self.old = {s: signal.signal(s, lambda n, _: os.write(w, bytes([n]))) for s in PASSED}
        return self.r

    def __exit__(self, *_):
        for number, handler in self.old.items():
            signal.signal(number, handler)
        os.close(self.r)
        os.close(self.w)


def _pump(sock, stdin, write, signals):
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if signals is not None:
        poll.register(signals, select.POLLIN)
    if stdin is not None:
        poll.register(stdin, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == sock.fileno():
                kind, data = wire.read(sock)
                if kind == wire.EXIT:
                    return int(data)
                write(kind, data)
            elif fd == signals:
                for number in os.read(fd, 64):
                    wire.send(sock, wire.SIGNAL, str(number).encode())
            else:
                data = os.read(fd, wire.FRAME_MAX)
                wire.send(sock, wire.STDIN, data)
                if not data:
                    poll.unregister(fd)


def _to_ours(kind, data):
    stream = sys.stdout if kind == wire.STDOUT else sys.stderr
    stream.flush()
    while data:
        data = data[os.write(stream.fileno(), data):]


def run(facts, kind, argv, root="/", env=None, with_input=False):
    """As if it ran here. kind "lab": a verb of the lab and its words; "exec": any program."""
    request = _request(kind, argv, root, env, facts.get("agent"))
    with _open(facts, request) as sock, _Signals() as signals:
        stdin = None
        if with_input:
            stdin = sys.stdin.fileno()
        else:
            wire.send(sock, wire.STDIN)
        try:
            return _pump(sock, stdin, _to_ours, signals)
        except (wire.Closed, ConnectionError) as e:
            raise LabError(f"the guest went away during the call: {e}") from None


def collect(facts, kind, argv, root="/", env=None):
    """(exit status, standard output, standard error) as bytes."""
    said = {wire.STDOUT: [], wire.STDERR: []}
    with _open(facts, _request(kind, argv, root, env, facts.get("agent"))) as sock:
        wire.send(sock, wire.STDIN)
        try:
            status = _pump(sock, None, lambda k, data: said[k].append(data), None)
        except (wire.Closed, ConnectionError) as e:
            raise LabError(f"the guest went away during the call: {e}") from None
    return status, b"".join(said[wire.STDOUT]), b"".join(said[wire.STDERR])
