# SPDX-License-Identifier: Apache-2.0
"""By what the agents of a lab enforce NetworkPolicy: nodes are given the means for one backend, clean
as after a boot, and the agents are started with its flag.

    iptables          the variant that `iptables` of this machine is
    iptables-legacy   as on a node whose kubelet and programs use that one: kubelet's hint is there,
    iptables-nft      and the names without a variant stand for it
    nftables          --use-nftables-for-netpol
"""

import os

from lablib import agent, health, ns
from lablib.errors import LabError

FLAG = "--use-nftables-for-netpol"
VARIANTS = {"iptables": None, "iptables-legacy": "legacy", "iptables-nft": "nft", "nftables": None}
NAMES = tuple(VARIANTS)
HINT = "KUBE-IPTABLES-HINT"
PROGRAMS = [f"{family}{suffix}" for family in ("iptables", "ip6tables")
            for suffix in ("", "-save", "-restore")]
TABLES = ("filter", "nat", "mangle", "raw")
UP_S = 60


def use(lab, name, within=UP_S):
    """Every node's agent is restarted; returns when all is healthy."""
    for node in lab.nodes:
        if agent.pid_of(node) is not None:
            agent.stop(node)
        _clean(node)
        _prefer(node, VARIANTS[name])
        agent.start(node, None, _args(node, name == "nftables"))
    health.wait(lab, "all", within)


def put_back(lab, args, within=UP_S):
    """As before the first use(): args by name of the node."""
    for node in lab.nodes:
        if agent.pid_of(node) is not None:
            agent.stop(node)
        _clean(node)
        _prefer(node, None)
        agent.start(node, None, args[node.name])
    health.wait(lab, "all", within)


def args_now(lab):
    return {node.name: agent.last_args(node) for node in lab.nodes}


def _args(node, nftables):
    kept = [a for a in agent.last_args(node) if a.partition("=")[0] != FLAG]
    return [*kept, f"{FLAG}={str(nftables).lower()}"]


def _run(node, *argv):
    return ns.run(node.pid, list(argv))


def _clean(node):
    """No rule of anybody in either variant, nor in nftables: what a boot leaves."""
    _run(node, "nft", "flush", "ruleset")  # not installed: what iptables can reach
    for program in (f"{f}-{v}" for f in ("iptables", "ip6tables") for v in ("legacy", "nft")):
        for table in TABLES:
            _run(node, program, "-w", "-t", table, "-F")
            _run(node, program, "-w", "-t", table, "-X")


def _prefer(node, variant):
    links = node.path(agent.VARIANT_DIR)
    os.makedirs(links, exist_ok=True)
    for program in PROGRAMS:
        family, dash, suffix = program.partition("-")
        agent._forget(os.path.join(links, program))
        if variant:
            there = f"/usr/sbin/{family}-{variant}{dash}{suffix}"
            os.symlink(there, os.path.join(links, program))
    if not variant:
        return
    for family in ("iptables", "ip6tables"):
        r = _run(node, f"{family}-{variant}", "-w", "-t", "mangle", "-N", HINT)
        if r.returncode != 0:
            raise LabError(f"{node.name}: {family}-{variant}: {r.stderr.strip()}")
