# SPDX-License-Identifier: Apache-2.0
"""Nodes that come, go and move while the lab is up.

The Node object follows, as in a cluster whose machines change: nothing tells the agents but what
they watch. Pods of a node that goes lose their objects with it.
"""

import ipaddress

from lablib import agent, api, clean, health, infra, lab as labs, plan, pods
from lablib.errors import LabError

READY_S = 30


def add(lab, name, subnet=None):
    """A new node with its agent, as `up` made the others; returns when it works as they do."""
    n = plan.node_number(name)
    with lab.edit() as facts:
        if lab.host(name):
            raise LabError(f"{name} exists already")
        if subnet is None:
            subnet = facts["nodes"][-1]["subnet"] if facts["nodes"] else 1
        if not 1 <= subnet <= facts["subnets"]:
            raise LabError(f"--subnet {subnet}: this lab has 1 to {facts['subnets']}")
        planned = plan.node(n, subnet, lab.families)
        _need_free(lab, planned.ips, planned.pod_cidrs)
        facts["nodes"].append(labs.make_node(lab, planned))
        facts["nodes"].sort(key=lambda f: f["n"])
    node = lab.node(name)
    try:
        infra.plug(lab, [node])
        api.create(lab, plan.node_object(node))
        agent.give_kubeconfig(node)
    except BaseException:
        remove(lab, name)
        raise
    if lab.facts["agent"]:
        agent.start(node)
        health.wait(lab, lab.facts.get("wait", "all"), READY_S)
    return node


def remove(lab, name):
    """The node stops as if it lost its power; then its objects go."""
    node = lab.node(name)
    gone = pods.on_node(node)
    clean.remove_host(node)
    with lab.edit() as facts:
        facts["nodes"] = [f for f in facts["nodes"] if f["name"] != name]
    for pod in gone:
        api.delete(lab, "pods", pod.name, pod.namespace, grace_s=0)
    api.delete(lab, "nodes", name)


def _need_free(lab, ips, cidrs, but=None):
    for other in lab.nodes + lab.peers:
        if other.name == but:
            continue
        both = set(ips) & set(other.ips)
        if both:
            raise LabError(f"{both.pop()} belongs to {other.name}")
        for cidr in cidrs:
            for taken in other.pod_cidrs:
                if _overlap(cidr, taken):
                    raise LabError(f"{cidr} overlaps {taken} of {other.name}")


def _overlap(a, b):
    a, b = ipaddress.ip_network(a), ipaddress.ip_network(b)
    return a.version == b.version and a.overlaps(b)


def _next_ip(lab, subnet):
    """The highest number of a subnet that nobody has; nodes start at the lowest."""
    used = {int(h.ip.replace(":", ".").rpartition(".")[2]) for h in lab.nodes + lab.peers
            if h.subnet == subnet}
    for last in range(plan.MAX_NODES, 0, -1):
        if last not in used:
            return last
    raise LabError(f"subnet {subnet} has no address left")


def _new_ips(lab, node, ip):
    """The addresses after a move to ip: the same number in every family."""
    if ip is None:
        last = _next_ip(lab, node.subnet)
    else:
        last = int(ip.replace(":", ".").rpartition(".")[2] or 0) if ip[-1:].isdigit() else 0
        if not 1 <= last <= plan.MAX_NODES or ip not in plan.addresses(
                node.subnet, last, node.families):
            nets = " or ".join(plan.addresses(node.subnet, "N", node.families))
            raise LabError(f"--ip {ip}: want {nets}, N from 1 to {plan.MAX_NODES}")
    return plan.addresses(node.subnet, last, node.families)


def _new_cidrs(node, text):
    """--pod-cidr replaces the CIDR of its family (of each family that is given)."""
    out = {6 if ":" in c else 4: c for c in node.pod_cidrs}
    for word in text.split(","):
        try:
            net = ipaddress.ip_network(word)
        except ValueError as e:
            raise LabError(f"--pod-cidr {word}: {e}") from None
        if net.version not in out:
            raise LabError(f"--pod-cidr {word}: the lab has no IPv{net.version}")
        out[net.version] = str(net)
    return list(out.values())


def readdress(lab, name, ip=None, pod_cidr=None):
    """Another address on its subnet (the next free one without ip) or, with pod_cidr, other pod
    CIDRs. A Node's pod CIDRs cannot be changed in the API: the object is made anew."""
    node = lab.node(name)
    node.need_alive()
    ips = node.ips if pod_cidr and ip is None else list(_new_ips(lab, node, ip))
    cidrs = _new_cidrs(node, pod_cidr) if pod_cidr else node.pod_cidrs
    with lab.edit() as facts:
        _need_free(lab, ips, cidrs, but=name)
        infra.readdress(node, ips)
        row = next(f for f in facts["nodes"] if f["name"] == name)
        row.update(ip=ips[0], ips=ips, pod_cidrs=cidrs)
    moved = lab.node(name)
    want = plan.node_object(moved)
    if pod_cidr:
        _replace_object(lab, moved, want)
    else:
        addresses = want["status"]["addresses"]
        api.set_status(lab, "nodes", name, {"addresses": addresses})
    return moved


def _replace_object(lab, node, want):
    old = api.get(lab, "nodes", node.name)
    for member in ("labels", "annotations"):
        if old["metadata"].get(member):
            want["metadata"][member] = old["metadata"][member]
    api.delete(lab, "nodes", node.name)
    api.create(lab, want)


def unplug(lab, name):
    """Nobody hears from the node any more; everything in it goes on."""
    infra.set_cable(lab, lab.node(name), False)


def plug(lab, name):
    """The cable of unplug() is put back."""
    infra.set_cable(lab, lab.node(name), True)


def describe(node):
    return f"{node.name} {','.join(node.ips)} {','.join(node.pod_cidrs)}"
