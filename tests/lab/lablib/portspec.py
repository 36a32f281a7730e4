# SPDX-License-Identifier: Apache-2.0
"""Ports of pods: NAME:NUM/PROTO in text, in a Pod's spec, to the responder, and in the kernel."""

import re
import socket
from dataclasses import dataclass

from lablib.errors import LabError, Usage
from lablib.responder import IPPROTO_SCTP, KINDS

SPEC = re.compile(r"(?:([a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?):)?([0-9]{1,5})(?:/([A-Za-z]+))?")
PORTS_MAX = 32
NO_SCTP = "unsupported: the kernel has no SCTP (module sctp)"


@dataclass(frozen=True)
class Port:
    name: str
    number: int
    proto: str  # TCP, UDP, SCTP

    def __str__(self):
        return f"{self.number}/{self.proto}"

    def container_port(self, host_network):
        out = {"containerPort": self.number, "protocol": self.proto}
        if self.name:
            out["name"] = self.name
        if host_network:
            out["hostPort"] = self.number
        return out


def parse(text):
    """One [NAME:]NUM[/PROTO]; TCP unless it says otherwise."""
    m = SPEC.fullmatch(text)
    proto = (m[4] or "TCP").upper() if m else None
    if m is None or proto not in KINDS or not 1 <= int(m[3]) <= 65535:
        raise Usage(f"--port {text!r}: want NAME:NUM/PROTO, NUM 1 to 65535, PROTO TCP, UDP or SCTP")
    return Port(m[1] or "", int(m[3]), proto)


def expand(ports):
    """Port objects as they are; a bare number is TCP and UDP."""
    out = []
    for p in ports:
        out += [p] if isinstance(p, Port) else [Port("", p, "TCP"), Port("", p, "UDP")]
    if len(out) > PORTS_MAX:
        raise LabError(f"{len(out)} ports: a pod has at most {PORTS_MAX}")
    return out


def sctp_works():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


def need_sctp():
    if not sctp_works():
        raise LabError(NO_SCTP)


def _rows(pid, name):
    try:
        with open(f"/proc/{pid}/net/{name}", encoding="ascii") as f:
            return [line.split() for line in f.readlines()[1:]]
    except OSError:  # gone, or the kernel lacks the protocol
        return []


def listening(pid):
    """{(PROTO, port)} of sockets that wait for anybody, in a process's network namespace."""
    out = set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        proto, waits = ("TCP", "0A") if name.startswith("tcp") else ("UDP", "07")
        for row in _rows(pid, name):
            if row[3] == waits:
                out.add((proto, int(row[1].rpartition(":")[2], 16)))
    return out | {("SCTP", int(row[5])) for row in _rows(pid, "sctp/eps")}
