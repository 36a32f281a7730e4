# SPDX-License-Identifier: Apache-2.0
"""The ground the nodes stand on: one network namespace, LAB-infra, with a bridge for each subnet,
the router between them (192.168.k.254) and the API server (192.168.1.250). The machine's own
network namespace gets no link, address or route from us."""

import os
import subprocess
import sys
import time

from lablib import ns, plan
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
    lines = ["link set lo up"]
    for k in range(1, n_subnets + 1):
        lines += [
            f"link add {bridge(k)} type bridge forward_delay 0 mcast_snooping 0",
            f"addr add {plan.router_ip(k)}/24 dev {bridge(k)}",
            f"link set {bridge(k)} up",
        ]
    lines.append(f"addr add {plan.API_IP}/24 dev {bridge(1)}")
    ns.must(["ip", "-n", name, "-batch", "-"], "\n".join(lines), "bridges")
    ns.must(["ip", "netns", "exec", name, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])
    _daemon(
        lab, [sys.executable, "-IS", RESPONDER, "infra", "80"], os.path.join(lab.dir, "infra.log")
    )


def plug(lab, hosts):
    """Give each host its eth0: one batch for all of them, then one in each, side by side."""
    lines = []
    for h in hosts:
        lines += [
            f"link add {h.name} type veth peer name eth0 netns {h.facts['netns']}",
            f"link set {h.name} master {bridge(h.subnet)} up",
        ]
    ns.must(["ip", "-n", _netns(lab), "-batch", "-"], "\n".join(lines), "veth pairs")
    jobs = []
    for h in hosts:
        text = (
            f"link set lo up\naddr add {h.ip}/24 dev eth0\nlink set eth0 up\n"
            f"route add default via {plan.router_ip(h.subnet)}\n"
        )
        jobs.append((["ip", "-n", h.facts["netns"], "-batch", "-"], text))
    ns.must_all(jobs)


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


def start_api(lab):
    """Start the API server; wait_api() waits for it, so that nodes can be made meanwhile."""
    api_dir = os.path.join(lab.dir, "api")
    os.makedirs(api_dir, exist_ok=True)
    argv = [sys.executable, "-m", "lablib.apiserver", "--dir", api_dir]
    argv += ["--listen", f"{plan.API_IP}:{plan.API_PORT}", "--unix", lab.api_sock]
    env = dict(os.environ, PYTHONPATH=os.path.dirname(HERE), PYTHONDONTWRITEBYTECODE="1")
    return _daemon(lab, argv, os.path.join(api_dir, "log"), env)


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
