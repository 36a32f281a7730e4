# SPDX-License-Identifier: Apache-2.0
"""Run as a program, by qemu, for each connection that the guest makes to the API server: joins
its own standard input (which is a socket here) to a socket of this machine.

    guest_relay.py UNIX-PATH | HOST:PORT

Standard library only and no site packages (python3 -IS): its start is part of the connection's.
"""

import os
import select
import socket
import sys

CHUNK = 1 << 16


def _open(where):
    if where.startswith("/"):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(where)
        return s
    host, _, port = where.rpartition(":")
    s = socket.create_connection((host, int(port)))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def _write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def main(where):
    try:
        s = _open(where)
    except OSError:
        return 1  # nobody there: the guest sees its connection end at once
    poll = select.poll()
    ways = {0: s.fileno(), s.fileno(): 1}
    for fd in ways:
        os.set_blocking(fd, True)
        poll.register(fd, select.POLLIN)
    while ways:
        for fd, _ in poll.poll():
            try:
                data = os.read(fd, CHUNK)
                _write_all(ways[fd], data)
            except OSError:
                return 0
            if data:
                continue
            if ways.pop(fd) == 1:
                return 0  # the server has said all
            poll.unregister(fd)
            s.shutdown(socket.SHUT_WR)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
