# SPDX-License-Identifier: Apache-2.0
"""The ground the nodes stand on: one network namespace, LAB-infra, with a bridge for each subnet,
the router between them (192.168.k.254) and the API server (192.168.1.250), in each family that the
lab has. The machine's own network namespace gets no link, address or route from us."""

import contextlib
import os
import subprocess
import sys
import time

from lablib import guest_inside, ns, plan
from lablib.errors import LabError

API_START_S = 20
HERE = os.path.dirname(os.path.abspath(__file__))
RESPONDER = os.path.join(HERE, "responder.py")


def _netns(lab):
    return plan.netns(lab.name, "infra")


def bridge(subnet):
    return f"sub{subnet}"


def create(lab, n_subnets):
    name = _netns(lab)
    ns.must(["ip", "netns", "add", name])
    with inside(os.path.join(ns.NETNS_DIR, name)):
        _forward(lab.families)
        no_dad()
    lines = ["link set lo up"]
    for k in range(1, n_subnets + 1):
        lines += [
            f"link add {bridge(k)} type bridge forward_delay 0 mcast_snooping 0",
            *(_address(ip, bridge(k)) for ip in plan.router_ips(k, lab.families)),
            f"link set {bridge(k)} up",
        ]
    for ip in plan.api_ips(lab.families):  # not what the router itself speaks from
        lines.append(_address(ip, bridge(1)) + (" preferred_lft 0" if ":" in ip else ""))
    ns.must(["ip", "-n", name, "-batch", "-"], "\n".join(lines), "bridges")
    _daemon(
        lab, [sys.executable, "-IS", RESPONDER, "infra", "80"], os.path.join(lab.dir, "infra.log")
    )


def _address(ip, dev):
    return f"addr add {ip}/{plan.prefix_len(ip)} dev {dev}{' nodad' if ':' in ip else ''}"


@contextlib.contextmanager
def inside(netns_path):
    """Sockets and /proc/sys/net of this thread are those of a network namespace."""
    fd = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with ns.inside_net(fd):
            yield
    finally:
        os.close(fd)


def set_sysctl(name, value):
    with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as f:
        f.write(str(value))


def no_dad():
    """For links to come: nobody here has the same address, and detection takes a second. Until it
    ends a router forwards nothing, for it has no link-local address to ask for neighbours with."""
    with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
        set_sysctl("ipv6/conf/default/accept_dad", 0)


def _forward(families):
    if 4 in families:
        set_sysctl("ipv4/ip_forward", 1)
    if 6 in families:
        set_sysctl("ipv6/conf/all/forwarding", 1)


def plug(lab, hosts):
    """Give each host its eth0: one batch for all of them, then one in each, side by side."""
    lines = []
    for h in hosts:
        with inside(f"/proc/{h.pid}/ns/net"):
            _forward(h.families)
            no_dad()
        lines += [
            f"link add {h.name} type veth peer name eth0 netns {h.facts['netns']}",
            f"link set {h.name} master {bridge(h.subnet)} up",
        ]
    ns.must(["ip", "-n", _netns(lab), "-batch", "-"], "\n".join(lines), "veth pairs")
    jobs = []
    for h in hosts:
        gateways = plan.router_ips(h.subnet, h.families)
        lines = ["link set lo up", *(_address(ip, "eth0") for ip in h.ips), "link set eth0 up"]
        lines += [f"route add default via {ip} dev eth0" for ip in gateways]
        jobs.append((["ip", "-n", h.facts["netns"], "-batch", "-"], "\n".join(lines) + "\n"))
    ns.must_all(jobs)


def readdress(host, ips):
    """Other addresses for a host; the new ones stand before the old ones go, and stay."""
    with inside(f"/proc/{host.pid}/ns/net"), contextlib.suppress(FileNotFoundError):
        set_sysctl("ipv4/conf/eth0/promote_secondaries", 1)
    new, old = [i for i in ips if i not in host.ips], [i for i in host.ips if i not in ips]
    lines = [_address(ip, "eth0") for ip in new]
    lines += [f"addr del {ip}/{plan.prefix_len(ip)} dev eth0" for ip in old]
    gateways = plan.router_ips(host.subnet, host.families)
    lines += [f"route replace default via {ip} dev eth0" for ip in gateways]
    ns.must(["ip", "-n", host.facts["netns"], "-batch", "-"], "\n".join(lines), host.name)


def set_cable(lab, host, up):
    word = "up" if up else "down"
    ns.must(["ip", "-n", _netns(lab), "link", "set", host.name, word])


def _daemon(lab, argv, log_path, env=None):
    """A process in the infra namespace. It is found again by that namespace or by its environment,
    not by its pid."""
    with open(log_path, "ab") as log:
        p = subprocess.Popen(
            ["ip", "netns", "exec", _netns(lab)] + argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**(env or os.environ), ns.MARK_ENV: lab.name},
            cwd="/",
            start_new_session=True,
        )
    return p


def api_argv(lab):
    """The API server's command line and environment."""
    api_dir = os.path.join(lab.dir, "api")
    os.makedirs(api_dir, exist_ok=True)
    argv = [sys.executable, "-m", "lablib.apiserver", "--dir", api_dir]
    argv += ["--unix", lab.api_sock]
    for family, ip in zip(lab.families, plan.api_ips(lab.families)):
        argv += ["--listen", f"[{ip}]:{plan.API_PORT}", "--san", plan.API_SERVICE_IPS[family]]
        argv += ["--service-range", plan.SERVICE_RANGES[family]]
        argv += ["--pod-range", plan.POD_RANGES[family]]
    env = dict(os.environ, PYTHONPATH=os.path.dirname(HERE), PYTHONDONTWRITEBYTECODE="1")
    return argv, env


def _start_bridge(lab, outside):
    """What leads to the API server outside, in its place; it runs beside the namespaces."""
    api_dir = os.path.join(lab.dir, "api")
    os.makedirs(api_dir, exist_ok=True)
    argv = [sys.executable, "-m", "lablib.apibridge", "--dir", api_dir, "--unix", lab.api_sock]
    argv += ["--url", outside["url"], "--from", outside["kubeconfig"]]
    argv += ["--netns", os.path.join(ns.NETNS_DIR, _netns(lab))]
    for ip in plan.api_ips(lab.families):
        argv += ["--listen", f"[{ip}]:{plan.API_PORT}"]
    env = dict(os.environ, PYTHONPATH=os.path.dirname(HERE), PYTHONDONTWRITEBYTECODE="1")
    with open(os.path.join(api_dir, "log"), "ab") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                env={**env, ns.MARK_ENV: lab.name}, start_new_session=True)


def start_api(lab):
    """Start the API server; wait_api() waits for it, so that nodes can be made meanwhile."""
    if lab.facts.get("apiserver"):
        return _start_bridge(lab, lab.facts["apiserver"])
    argv, env = api_argv(lab)
    argv = guest_inside.api_argv(lab, argv)  # in a guest: what leads to the server outside
    return _daemon(lab, argv, os.path.join(lab.dir, "api", "log"), env)


def wait_api(lab, process):
    path = os.path.join(lab.dir, "api", "log")
    limit = time.monotonic() + API_START_S
    while True:
        with open(path, encoding="utf-8", errors="replace") as f:
            said = f.read()
        if "ready" in said.split("\n"):
            return
        if process.poll() is not None:
            tail = "\n".join(said.splitlines()[-3:])
            raise LabError(f"API server: exit status {process.returncode}: {tail} ({path})")
        if time.monotonic() > limit:
            raise LabError(f"API server: not ready after {API_START_S} s; see {path}")
        time.sleep(0.02)
