# SPDX-License-Identifier: Apache-2.0
"""A real router beside the nodes, as packaged, a host of its own on a subnet; peer_kinds has what
is particular to each."""

import ipaddress
import os
import shutil
import time

from lablib import agent, clean, infra, lab as labs, need, ns, plan
from lablib.errors import LabError
from lablib.peer_kinds import KINDS

DEFAULT_ASN = 65000
START_S = 10
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


def _free_addresses(lab, subnet):
    used = {p.ip for p in lab.peers}
    for last in range(plan.PEER_FIRST, plan.PEER_LAST + 1):
        ips = plan.addresses(subnet, last, lab.families)
        if ips[0] not in used:
            return ips
    raise LabError(f"subnet {subnet} has no address left for a peer")


def create(lab, name, kind, asn=DEFAULT_ASN, prefixes=(), config=None, subnet=1, node_asn=plan.ASN):
    """Returns when the daemon answers; its sessions come up when the agents want them."""
    plan.peer_name(name)
    need.programs(need.PEER_PROGRAMS[kind])
    if not 1 <= subnet <= lab.facts["subnets"]:
        raise LabError(f"--subnet {subnet}: this lab has 1 to {lab.facts['subnets']}")
    if not 1 <= asn <= 4294967294:
        raise LabError(f"--asn {asn}: want 1 to 4294967294")
    for p in prefixes:
        try:
            if ipaddress.ip_network(p).version not in lab.families:
                raise LabError(f"--prefix {p}: this lab has no such addresses")
        except ValueError as e:
            raise LabError(f"--prefix {p}: {e}") from None
    with lab.edit() as facts:
        if lab.host(name):
            raise LabError(f"peer {name} exists already")
        ips = _free_addresses(lab, subnet)
        more = {"kind": kind, "asn": asn, "prefixes": list(prefixes), "ips": list(ips)}
        facts["peers"][name] = labs.make_host(lab, name, subnet, ips[0], f"peer-{name}", more)
    peer = lab.host(name)
    try:
        infra.plug(lab, [peer])
        _greet(lab, peer)
        _start(lab, peer, config, node_asn)
    except BaseException:
        delete(lab, name)
        raise
    return peer


def _greet(lab, peer):
    """The nodes may remember another machine at these addresses, a peer that is gone."""
    ips = [ip for n in lab.nodes if n.subnet == peer.subnet for ip in n.ips]
    pings = "".join(f"ping -n -c 1 -W 1 {ip} >/dev/null 2>&1 & " for ip in ips)
    ns.run(peer.pid, ["sh", "-c", f"{pings} wait"], env=ENV)


def _start(lab, peer, config, node_asn):
    kind = KINDS[peer.facts["kind"]]
    if config is None:
        with open(peer.path(kind.file), "w", encoding="utf-8") as f:
            f.write(kind.config(peer, lab.nodes, node_asn))
    else:
        shutil.copyfile(config, peer.path(kind.file))
    for p in peer.facts["prefixes"]:  # somebody must answer under the first address of it
        net = ipaddress.ip_network(p)
        first = net.network_address + (1 if net.prefixlen < net.max_prefixlen - 1 else 0)
        _must(peer, ["ip", "addr", "add", f"{first}/{net.max_prefixlen}", "dev", "lo"])
    for command in kind.prepare(peer):
        _must(peer, command)
    for daemon, question in kind.daemons():
        _start_daemon(peer, daemon, question)
    for p in peer.facts["prefixes"]:
        command = kind.originate(peer, p)
        if command:
            _must(peer, command)


def _start_daemon(peer, daemon, question):
    pid = ns.spawn(peer.pid, daemon, ENV, peer.path("log"))
    limit = time.monotonic() + START_S
    while ns.run(peer.pid, question, env=ENV).returncode != 0:
        if agent.wait_gone(pid, 0.05):
            name = os.path.basename(daemon[0])
            raise LabError(f"{peer.name}: {name} ended:\n{_tail(peer)}")
        if time.monotonic() > limit:
            raise LabError(f"{peer.name}: {daemon[0]} does not answer:\n{_tail(peer)}")


def _tail(peer):
    with open(peer.path("log"), encoding="utf-8", errors="replace") as f:
        return "".join(f.readlines()[-5:]).rstrip()


def _must(peer, argv):
    r = ns.run(peer.pid, argv, env=ENV)
    if r.returncode != 0:
        raise LabError(f"{peer.name}: {' '.join(argv)}: {(r.stderr or r.stdout).strip()}")
    return r.stdout


def get(lab, name):
    host = lab.host(name)
    if host is None or "kind" not in host.facts:
        raise LabError(f"lab {lab.name!r} has no peer {name!r}")
    return host


def delete(lab, name):
    peer = get(lab, name)
    clean.remove_host(peer)
    with lab.edit() as facts:
        facts["peers"].pop(name, None)


def routes_text(peer):
    peer.need_alive()
    return "".join(_must(peer, argv) for argv in KINDS[peer.facts["kind"]].show)


def routes(peer):
    """[{prefix, best, from, next_hop, as_path, local_pref, med, communities}], by prefix."""
    peer.need_alive()
    found = KINDS[peer.facts["kind"]].routes(lambda argv: _must(peer, argv))
    names = {n.name: n.ip for n in peer.lab.nodes}
    for one in found:
        one["from"] = names.get(one["from"], one["from"])
    return sorted(found, key=lambda r: (r["prefix"], r["from"] or ""))
