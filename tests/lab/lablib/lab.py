# SPDX-License-Identifier: Apache-2.0
"""A whole lab: up, down, status."""

import os

from lablib import agent, api, clean, guest_inside, health, infra, need, ns, plan, pods, state
from lablib.errors import LabError

READY_S = 30
PEER_FACTS = ("name", "kind", "ip", "asn", "prefixes")
KERNEL = ("veth", "bridge", "ipset")


def up(name, n_nodes=3, n_subnets=1, path=None, args=(), want="all", families="4", outside=None):
    """A lab whose agents do their work. path None: nodes without agents, to start them by hand.
    outside: {"url", "kubeconfig"} of an API server that runs already, instead of the lab's own.
    After a failure everything stays as it is, to be looked at; down() removes it."""
    planned = plan.nodes(n_nodes, n_subnets, plan.families(families))
    need.root()
    need.programs()
    need.cni_path()
    need.features(*KERNEL)
    lab = state.Lab(name)
    told = None
    if path is not None:
        told = {"path": agent.check_path(path), "args": list(args)}
    with lab.lifecycle(alone=True):
        if clean.leftovers(lab):
            raise LabError(f"lab {name!r} exists already; ./lab down --name {name}")
        lab.create_dir()
        lab.facts = {"name": name, "subnets": n_subnets, "families": families, "wait": want}
        lab.facts.update(agent=told, nodes=[], peers={}, apiserver=outside)
        lab.save()
        _build(lab, planned, n_subnets)
        if told:
            for node in lab.nodes:
                agent.start(node)
            if want != "none":
                health.wait(lab, want, guest_inside.patience(READY_S))
    return lab


def make_host(lab, name, subnet, ip, label, more=None):
    """Namespaces of a node or peer; returns its facts. infra.plug() connects it."""
    host_dir = os.path.join(lab.dir, name)
    os.makedirs(host_dir)
    netns = plan.netns(lab.name, label)
    pid = ns.create(lab.name, name, netns, host_dir)
    facts = {"name": name, "subnet": subnet, "ip": ip, "netns": netns}
    return dict(facts, pid=pid, started=state.start_time(pid), **(more or {}))


def make_node(lab, p):
    """The facts of a new node, from its plan.NodePlan."""
    more = {"n": p.n, "ips": list(p.ips), "pod_cidrs": list(p.pod_cidrs)}
    facts = make_host(lab, p.name, p.subnet, p.ip, p.name, more)
    os.mkdir(os.path.join(lab.dir, p.name, "pods"))
    return facts


def _build(lab, planned, n_subnets):
    infra.create(lab, n_subnets)
    server = infra.start_api(lab)
    for p in planned:
        lab.facts["nodes"].append(make_node(lab, p))
    lab.save()
    infra.plug(lab, lab.nodes)
    infra.wait_api(lab, server)
    for p in planned:
        api.create(lab, plan.node_object(p))
    for node in lab.nodes:
        agent.give_kubeconfig(node)


def down(name):
    need.root()
    lab = state.Lab(name)
    with lab.lifecycle(alone=True):
        _leave(name)
        clean.remove(lab)


def _leave(name):
    """An API server that goes on without us keeps no Node or Pod of ours, if it can be reached."""
    try:
        lab = state.Lab.load(name)
        if not lab.facts.get("apiserver"):
            return
        for p in pods.every(lab):
            api.delete(lab, "pods", p.name, p.namespace, grace_s=0)
        for node in lab.nodes:
            api.delete(lab, "nodes", node.name)
    except LabError:
        return


def status(lab):
    nodes = []
    for node in lab.nodes:
        row = {
            "name": node.name,
            "ip": node.ip,
            "ips": node.ips,
            "subnet": node.subnet,
            "podCIDR": node.pod_cidr,
            "podCIDRs": node.pod_cidrs,
            "netns": node.facts["netns"],
            "alive": node.alive(),
            "agent": agent.describe(node),
            "pods": [
                {"namespace": p.namespace, "name": p.name, "ips": p.ips}
                for p in pods.on_node(node)
            ],
        }
        if row["alive"]:
            row["healthz"] = health.http_status(node, agent.HEALTH_PORT, "/healthz")
            row["sessions"] = len(health.sessions(node))
            row["routes"] = len(health.bgp_routes(node))
        nodes.append(row)
    return {
        "name": lab.name,
        "dir": lab.dir,
        "apiserver": {
            "url": plan.api_url(lab.families),
            "socket": lab.api_sock,
            "alive": api.alive(lab),
        },
        "nodes": nodes,
        "peers": [
            {"alive": p.alive(), **{k: p.facts[k] for k in PEER_FACTS}}
            for p in lab.peers
        ],
    }
