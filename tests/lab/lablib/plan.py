# SPDX-License-Identifier: Apache-2.0
"""Who is where in a lab: names and addresses, worked out from three numbers.

Pure: opens nothing. Everything else in the lab asks here, so that two commands on the same lab
can never disagree about an address.
"""

import ipaddress
import re
from dataclasses import dataclass

from lablib.errors import LabError

MAX_NODES = 200  # node n has 192.168.k.n; 201-249 are peers, 250 the API server, 254 the router
PEER_FIRST, PEER_LAST = 201, 249
API_IP, API_PORT = "192.168.1.250", 6443
FAMILIES = {"4": (4,), "6": (6,), "46": (4, 6)}  # --ip-families: the first is the primary one
POD_RANGES = {4: "172.20.0.0/16", 6: "fd00:172:20::/48"}
SERVICE_RANGES = {4: "10.68.0.0/16", 6: "fd00:10:68::/112"}
API_SERVICE_IPS = {4: "10.68.0.1", 6: "fd00:10:68::1"}
ROUTER_LAST, API_LAST = 254, 250
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
    ips: tuple  # of each family, the primary one first
    pod_cidrs: tuple

    @property
    def ip(self):
        return self.ips[0]

    @property
    def pod_cidr(self):
        return self.pod_cidrs[0]


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


def families(text):
    if text not in FAMILIES:
        raise LabError(f"--ip-families {text}: want {', '.join(FAMILIES)}")
    return FAMILIES[text]


def addresses(subnet, last, fams=(4,)):
    """What a host has on a subnet; the number stands in the text of both families alike."""
    text = {4: f"192.168.{subnet}.{last}", 6: f"fd00:192:168:{subnet}::{last}"}
    return tuple(text[f] for f in fams)


def pod_cidrs(n, fams=(4,)):
    text = {4: f"172.20.{n - 1}.0/24", 6: f"fd00:172:20:{n - 1}::/64"}
    return tuple(str(ipaddress.ip_network(text[f])) for f in fams)  # as the kernel writes it


def prefix_len(address):
    """Of the subnet in which a host's address is."""
    return 64 if ":" in address else 24


def node(n, subnet, fams=(4,)):
    return NodePlan(n, f"node{n}", subnet, addresses(subnet, n, fams), pod_cidrs(n, fams))


def node_number(name):
    if not NODE_NAME.fullmatch(name) or int(name[4:]) > MAX_NODES:
        raise LabError(f"node name {name!r}: want node1 to node{MAX_NODES}")
    return int(name[4:])


def nodes(n_nodes, n_subnets, fams=(4,)):
    """All nodes, in blocks: of 4 nodes in 2 subnets, 1 and 2 share one, 3 and 4 the other."""
    if not 1 <= n_nodes <= MAX_NODES:
        raise LabError(f"--nodes {n_nodes}: want 1 to {MAX_NODES}")
    if not 1 <= n_subnets <= n_nodes:
        raise LabError(f"--subnets {n_subnets}: want 1 to the number of nodes, {n_nodes}")
    out = []
    for n in range(1, n_nodes + 1):
        k = (n - 1) * n_subnets // n_nodes + 1
        out.append(node(n, k, fams))
    return out


def router_ips(subnet, fams=(4,)):
    return addresses(subnet, ROUTER_LAST, fams)


def api_ips(fams=(4,)):
    return addresses(1, API_LAST, fams)


def api_url(fams=(4,)):
    ip = api_ips(fams)[0]
    return f"https://{f'[{ip}]' if ':' in ip else ip}:{API_PORT}"


def netns(lab, host):
    """The name under /var/run/netns: LAB-infra, LAB-node1, LAB-peer-NAME."""
    return f"{lab}-{host}"


def owns_netns(lab, name):
    return re.fullmatch(rf"{lab}-(infra|node[1-9][0-9]*|peer-[-a-z0-9]+)", name) is not None


def pod_key(namespace, name):
    """One word for a pod; '_' is in no Kubernetes name, so it cannot be read in two ways."""
    return f"{namespace}_{name}"


def node_object(p):
    """p: anything with name, ips and pod_cidrs."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": p.name, "labels": {"kubernetes.io/hostname": p.name}},
        "spec": {"podCIDR": p.pod_cidrs[0], "podCIDRs": list(p.pod_cidrs)},
        "status": {
            "addresses": [
                *({"type": "InternalIP", "address": ip} for ip in p.ips),
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
