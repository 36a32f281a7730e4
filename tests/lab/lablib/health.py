# SPDX-License-Identifier: Apache-2.0
"""Is a node's agent doing its work? Judged by what any agent shows, not by our own commands:
/healthz, established TCP connections on the BGP port, and routes of protocol 17 in the kernel.

Looking costs no process: /proc/PID/net is the host's, and a socket belongs to the network
namespace in which it was opened."""

import ipaddress
import json
import os
import socket
import subprocess
import time

from lablib import agent, ns
from lablib.errors import LabError

BGP_PORT = 179
TCP_ESTABLISHED = "01"
POLL_S = 0.05
HTTP_S = 1.0


def _hex_ip(word):
    """An address as /proc/net/tcp and tcp6 write it: 32-bit words in the order of this machine."""
    data = bytes.fromhex(word)
    data = b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))
    text = socket.inet_ntop(socket.AF_INET6 if len(data) == 16 else socket.AF_INET, data)
    return text.removeprefix("::ffff:")


def _lines(host, name):
    """A table below /proc/PID/net; none where the kernel lacks the family."""
    try:
        with open(f"/proc/{host.pid}/net/{name}", encoding="ascii") as f:
            return [line.split() for line in f]
    except FileNotFoundError:
        return []


def sessions(host):
    """Addresses with which host has an established TCP connection on port 179, either end."""
    out = set()
    for words in _lines(host, "tcp")[1:] + _lines(host, "tcp6")[1:]:
        if words[3] != TCP_ESTABLISHED:
            continue
        (_, lport), (rip, rport) = (w.split(":") for w in words[1:3])
        if BGP_PORT in (int(lport, 16), int(rport, 16)):
            out.add(_hex_ip(rip))
    return out


def _quick_routes(host):
    """(destination, gateway) of the main table; says nothing about the protocol."""
    out = set()
    for words in _lines(host, "route")[1:]:
        bits = bin(int(words[7], 16)).count("1")
        out.add((f"{_hex_ip(words[1])}/{bits}", _hex_ip(words[2])))
    for words in _lines(host, "ipv6_route"):
        dst, via = (str(ipaddress.IPv6Address(bytes.fromhex(words[i]))) for i in (0, 4))
        out.add((f"{dst}/{int(words[1], 16)}", via))
    return out


def bgp_routes(host):
    """What `ip -j route show proto 17` says in the host, of all its families."""
    out = []
    for family in host.families:
        r = subprocess.run(
            ["ip", f"-{family}", "-n", host.facts["netns"], "-j", "route", "show", "proto", "17"],
            capture_output=True,
            text=True,
            check=False,
        )
        if r.returncode != 0:
            raise LabError(f"{host.name}: ip route: {r.stderr.strip()}")
        out += json.loads(r.stdout or "[]")
    return out


def http_status(host, port, path):
    """GET from inside the host to its own loopback address: status, or None if nobody answers."""
    fd = os.open(f"/proc/{host.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with ns.inside_net(fd):
            s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    finally:
        os.close(fd)
    with s:
        s.settimeout(HTTP_S)
        try:
            s.connect(("127.0.0.1", port))
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            first = s.makefile("rb").readline(256).split()
        except OSError:
            return None
    return int(first[1]) if len(first) > 1 and first[1].isdigit() else None


def complaint(node, others, want):
    """None if node is as it should be, else what is missing, in one line."""
    if want in ("health", "all"):
        status = http_status(node, agent.HEALTH_PORT, "/healthz")
        if status != 200:
            return f"{node.name}: /healthz: {status or 'no answer'}"
    if want != "all":
        return None
    lacking = sorted({o.ip for o in others} - sessions(node))
    if lacking:
        return f"{node.name}: no session on port {BGP_PORT} with {', '.join(lacking)}"
    near = {
        pair for o in others if o.subnet == node.subnet for pair in zip(o.pod_cidrs, o.ips)
    }
    if not near <= _quick_routes(node):
        return f"{node.name}: no route to {_names(near - _quick_routes(node))}"
    have = {(r["dst"], r.get("gateway")) for r in bgp_routes(node)}
    if not near <= have:
        return f"{node.name}: no route of protocol 17 to {_names(near - have)}"
    return None


def _names(pairs):
    return ", ".join(f"{dst} via {via}" for dst, via in sorted(pairs))


def wait(lab, want, seconds):
    """Until every node is as wanted ("health" or "all"); fails at once when an agent dies."""
    nodes = lab.nodes
    waiting = {n.name: n for n in nodes}
    limit = time.monotonic() + seconds
    while True:
        said = []
        for node in list(waiting.values()):
            why = complaint(node, [o for o in nodes if o is not node and o.name != node.name], want)
            if why is None:
                del waiting[node.name]
            else:
                said.append(why)
        if not waiting:
            return
        for node in waiting.values():
            _fail_if_dead(node)
        if time.monotonic() > limit:
            raise LabError(f"not ready after {seconds} s:\n" + "\n".join(said[:10]))
        time.sleep(POLL_S)


def _fail_if_dead(node):
    if not agent.supervised(node):
        now = agent.describe(node)
        raise LabError(
            f"{node.name}: agent {now['state']} with status {now.get('status')}:\n"
            f"{agent.log_tail(node)}\nthe whole log: {node.path('agent.log')}"
        )
