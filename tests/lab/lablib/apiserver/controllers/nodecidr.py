# SPDX-License-Identifier: Apache-2.0
"""A pod CIDR of each family for nodes that come without: the lowest that no node has."""

import ipaddress

from .. import rest
from ..errors import StatusError

BITS = {4: 24, 6: 64}


class NodeCidrController:
    def __init__(self, store, ranges):
        self.store, self.ranges = store, ranges

    def on_change(self, kind, change):
        if kind.plural != "nodes" or change.type == "DELETED" or not self.ranges:
            return
        name = change.new.obj["metadata"]["name"]
        now = self.store.get(kind, name)
        if now is None or now.obj["spec"].get("podCIDR") or now.obj["spec"].get("podCIDRs"):
            return
        nodes = self.store.items(kind)
        used = [cidr for v in nodes for cidr in v.obj["spec"].get("podCIDRs") or []]
        cidrs = [free_subnet(net, used) for net in self.ranges]
        if None in cidrs:
            print(f"node {name}: the pod ranges are full", flush=True)
            return
        obj = dict(now.obj, metadata=dict(now.obj["metadata"]),
                   spec=dict(now.obj["spec"], podCIDR=cidrs[0], podCIDRs=cidrs))
        try:
            rest.update(self.store, kind, None, name, obj)
        except StatusError as e:
            print(f"node {name}: {e.message}", flush=True)


def free_subnet(net, used):
    """The lowest block of net that overlaps nothing in used; None if there is none. What is no
    network in used is nobody's."""
    bits = BITS[net.version]
    equal, others = set(), []
    for text in used:
        try:
            other = ipaddress.ip_network(text)
        except ValueError:
            continue
        if other.version == net.version and other.overlaps(net):
            if other.prefixlen == bits:
                equal.add(other)
            else:
                others.append(other)
    return next((str(block) for block in net.subnets(new_prefix=bits)
                 if block not in equal and not any(block.overlaps(o) for o in others)), None)
