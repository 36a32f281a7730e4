# SPDX-License-Identifier: Apache-2.0
"""Node objects of machines that are off: addresses where packets vanish, pod CIDRs nobody routes."""


def node_object(name, ip, cidr):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
        "status": {"addresses": [{"type": "InternalIP", "address": ip},
                                 {"type": "Hostname", "address": name}]},
    }


def dead_ip(i):
    return f"192.168.{2 + i // 250}.{1 + i % 250}"


def dead_cidr(i):
    return f"10.{100 + i // 256}.{i % 256}.0/24"
