# SPDX-License-Identifier: Apache-2.0
"""One question over the network: from a pod, node, peer or the outside, to a pod, node, peer,
service or address.

The socket is opened in the asker's network namespace by this process, so a question costs no
exec. The responder says which source address it saw.
"""

import errno
import ipaddress
import json
import os
import socket
import subprocess
from dataclasses import dataclass

from lablib import api, ns, plan, pods, portspec, state
from lablib.errors import LabError
from lablib.responder import IPPROTO_SCTP

NODE_PORT = 8099  # a node's responder, started by the first question to that node without a port
TIMEOUT_S = 2.0
OUTSIDE = "outside"  # beyond the subnets: the router between them
SOCKETS = {
    "tcp": (socket.SOCK_STREAM, 0),
    "udp": (socket.SOCK_DGRAM, 0),
    "sctp": (socket.SOCK_STREAM, IPPROTO_SCTP),
}

REFUSED = {
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EACCES,
    errno.EPERM,
    errno.ECONNRESET,
}
PING_REFUSED = {  # what ping prints
    "Port Unreachable": "ECONNREFUSED",
    "Host Unreachable": "EHOSTUNREACH",
    "Net Unreachable": "ENETUNREACH",
    "Network is unreachable": "ENETUNREACH",
    "rohibited": "EACCES",
    "iltered": "EACCES",
    "not permitted": "EPERM",
    "nreachable": "EHOSTUNREACH",
}


@dataclass
class Answer:
    result: str  # ok, refused, timeout, unsupported
    saw: str = None  # ok: the asker's address as the other side saw it (icmp: not known)
    who: str = None  # ok: the name of who answered
    why: str = None  # refused: the error's name

    def text(self):
        words = [self.result]
        if self.saw:
            words.append(self.saw)
        if self.result == "refused" and self.why not in (None, "ECONNREFUSED"):
            words.append(self.why)
        return " ".join(words)


def split_port(text):
    """TO[:PORT], [V6]:PORT; a bare IPv6 address has no port."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise LabError(f"address {text!r}: want [ADDRESS] or [ADDRESS]:PORT")
        port = rest[1:] if rest else None
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        return text, None
    if port is None:
        return host, None
    if not port.isdigit() or not 1 <= int(port) <= 65535:
        raise LabError(f"port {port!r}: want 1 to 65535")
    return host, int(port)


def source_netns(lab, name, namespace):
    if name == OUTSIDE:
        return os.path.join(ns.NETNS_DIR, plan.netns(lab.name, "infra"))
    pod = pods.find(lab, name, namespace)
    if pod:
        return pod.netns
    host = lab.host(name)
    if host is None:
        raise LabError(f"no pod {namespace}/{name} and no node or peer {name!r}")
    host.need_alive()
    return f"/proc/{host.pid}/ns/net"


def _pick(addresses, family, name):
    for a in addresses:
        if family is None or ipaddress.ip_address(a).version == family:
            return a
    raise LabError(f"{name} has no IPv{family} address")


def target(lab, text, namespace, family, proto):
    """(address, port) of TO: the first of pod, node or peer, service, address. Without a port: 80
    for pods and addresses, ours for nodes, a service's first one."""
    name, port = split_port(text)
    if name == OUTSIDE:
        return _pick(plan.router_ips(1, lab.families), family, name), port or pods.PORT
    pod = pods.find(lab, name, namespace)
    if pod:
        return _pick(pod.ips, family, name), port or pods.PORT
    host = lab.host(name)
    if host:
        if port is None and proto != "icmp":
            port = NODE_PORT
            _serve_node(host)
        return _pick(host.ips, family, name), port
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _service_target(lab, name, port, namespace, family, proto)
    if family not in (None, address.version):
        raise LabError(f"{name} is not an IPv{family} address")
    return name, port or pods.PORT


def _service_target(lab, text, port, namespace, family, proto):
    """A service by NAME or NAMESPACE/NAME, or, where a pod has that name, with .svc behind it."""
    name = text.removesuffix(".svc")
    if "/" in name:
        namespace, _, name = name.partition("/")
    service = api.find_service(lab, name, namespace)
    if service is None:
        raise LabError(f"{text!r} is no pod of {namespace!r}, node, peer, service or address")
    spec = service["spec"]
    ips = [ip for ip in spec.get("clusterIPs") or [] if ip != "None"]
    if not ips:
        raise LabError(f"service {namespace}/{name} has no cluster IP")
    if port is None and proto != "icmp":
        ports = [p["port"] for p in spec.get("ports") or [] if p["protocol"].lower() == proto]
        if not ports:
            raise LabError(f"service {namespace}/{name} has no port of protocol {proto}")
        port = ports[0]
    return _pick(ips, family, name), port


def _serve_node(host):
    host.need_alive()
    with state.file_lock(host.path("responder.lock")):
        facts = state.read_json(host.path("responder.json"))
        if facts and state.start_time(facts["pid"]) == facts["started"]:
            return
        pid = pods.serve(host, host.name, [NODE_PORT], None)
        facts = {"pid": pid, "started": state.start_time(pid)}
        state.write_json(host.path("responder.json"), facts)


def ask(lab, source, to, proto="tcp", family=None, namespace="default", timeout=TIMEOUT_S):
    if proto == "sctp" and not portspec.sctp_works():
        return Answer("unsupported")
    address, port = target(lab, to, namespace, family, proto)
    fd = os.open(source_netns(lab, source, namespace), os.O_RDONLY | os.O_CLOEXEC)
    try:
        if proto == "icmp":
            return _ping(fd, address, timeout)
        return _ask_socket(fd, address, port, proto, timeout)
    finally:
        os.close(fd)


def _ask_socket(fd, address, port, proto, timeout):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind, number = SOCKETS[proto]
    with ns.inside_net(fd):
        s = socket.socket(family, kind, number)
    with s:
        s.settimeout(timeout)
        try:
            s.connect((address, port))
            if kind == socket.SOCK_DGRAM:
                s.send(b"?\n")
            said = _read_line(s, kind)
        except socket.timeout:
            return Answer("timeout")
        except OSError as e:
            if e.errno == errno.ETIMEDOUT:
                return Answer("timeout")
            if e.errno in REFUSED:
                return Answer("refused", why=errno.errorcode[e.errno])
            raise LabError(f"connect to {address} port {port}: {e.strerror}") from None
    return _understand(said)


def _read_line(s, kind):
    """All of the answer. Another server than ours may stay silent: the connection counts."""
    if kind == socket.SOCK_DGRAM:
        return s.recv(2048)
    said = b""
    try:
        while not said.endswith(b"\n") and len(said) < 2048:
            data = s.recv(2048)
            if not data:
                break
            said += data
    except socket.timeout:
        pass
    return said


def _understand(said):
    try:
        answer = json.loads(said)
        return Answer("ok", answer["saw"], answer["name"])
    except (ValueError, KeyError, TypeError):
        return Answer("ok")


def _ping(fd, address, timeout):
    words = ["ping", "-n", "-c", "1", "-W", str(max(timeout, 0.01)), address]
    r = subprocess.run(
        ["nsenter", f"--net=/proc/self/fd/{fd}", "--", *words],
        pass_fds=[fd],
        capture_output=True,
        text=True,
        check=False,
    )
    if r.returncode == 0:
        return Answer("ok", who=address)
    for sign, why in PING_REFUSED.items():
        if sign in r.stdout + r.stderr:
            return Answer("refused", why=why)
    return Answer("timeout")
