# SPDX-License-Identifier: Apache-2.0
"""Who is where in a lab: names and addresses, worked out from three numbers.

Pure: opens nothing. Everything else in the lab asks here, so that two commands on the same lab
can never disagree about an address.
"""

import re
from dataclasses import dataclass

from lablib.errors import LabError

MAX_NODES = 200  # node n has 192.168.k.n; 201-249 are peers, 250 the API server, 254 the router
PEER_FIRST, PEER_LAST = 201, 249
API_IP, API_PORT = "192.168.1.250", 6443
ASN = 64512  # what kube-router uses when nobody says otherwise

# No dash in a lab's name: "LAB-node1" can then never belong to another lab.
LAB_NAME = re.compile(r"[a-z][a-z0-9]{0,30}")
K8S_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
NODE_NAME = re.compile(r"node[1-9][0-9]*")


@dataclass(frozen=True)
class NodePlan:
    n: int
    name: str
    subnet: int
    ip: str
    pod_cidr: str


def lab_name(name):
    if not LAB_NAME.fullmatch(name):
        raise LabError(f"lab name {name!r}: want a letter, then up to 30 small letters or digits")
    return name


def k8s_name(what, name):
    if not K8S_NAME.fullmatch(name):
        raise LabError(f"{what} name {name!r}: want small letters, digits, '-' and '.'")
    return name


def peer_name(name):
    k8s_name("peer", name)
    if NODE_NAME.fullmatch(name) or "." in name or len(name) > 12:
        raise LabError(f"peer name {name!r}: at most 12 characters, no dot, and not like a node's")
    return name


def nodes(n_nodes, n_subnets):
    """All nodes, in blocks: of 4 nodes in 2 subnets, 1 and 2 share one, 3 and 4 the other."""
    if not 1 <= n_nodes <= MAX_NODES:
        raise LabError(f"--nodes {n_nodes}: want 1 to {MAX_NODES}")
    if not 1 <= n_subnets <= n_nodes:
        raise LabError(f"--subnets {n_subnets}: want 1 to the number of nodes, {n_nodes}")
    out = []
    for n in range(1, n_nodes + 1):
        k = (n - 1) * n_subnets // n_nodes + 1
        out.append(NodePlan(n, f"node{n}", k, f"192.168.{k}.{n}", f"172.20.{n - 1}.0/24"))
    return out


def router_ip(subnet):
    return f"192.168.{subnet}.254"


def netns(lab, host):
    """The name under /var/run/netns: LAB-infra, LAB-node1, LAB-peer-NAME."""
    return f"{lab}-{host}"


def owns_netns(lab, name):
    return re.fullmatch(rf"{lab}-(infra|node[1-9][0-9]*|peer-[-a-z0-9]+)", name) is not None


def pod_key(namespace, name):
    """One word for a pod; '_' is in no Kubernetes name, so it cannot be read in two ways."""
    return f"{namespace}_{name}"


def node_object(p):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": p.name, "labels": {"kubernetes.io/hostname": p.name}},
        "spec": {"podCIDR": p.pod_cidr, "podCIDRs": [p.pod_cidr]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": p.ip},
                {"type": "Hostname", "address": p.name},
            ],
            "conditions": [{"type": "Ready", "status": "True", "reason": "LabNode"}],
        },
    }


def cni_conflist():
    """As the manifests ship it: the agent adds the address ranges, nobody else."""
    return {
        "cniVersion": "0.3.0",
        "name": "mynet",
        "plugins": [
            {
                "name": "kubernetes",
                "type": "bridge",
                "bridge": "kube-bridge",
                "isDefaultGateway": True,
                "ipam": {"type": "host-local"},
            }
        ],
    }
