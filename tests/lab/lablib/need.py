# SPDX-License-Identifier: Apache-2.0
"""What the lab needs from the machine: programs (with the package that has them) and kernel."""

import functools
import os
import shutil
import subprocess

from lablib.errors import LabError

PROGRAMS = {
    "ip": "iproute2",
    "ss": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "ipset": "ipset",
    "iptables-save": "iptables",
    "ping": "iputils-ping",
    "openssl": "openssl",
}
PEER_PROGRAMS = {
    "bird": {"bird": "bird2", "birdc": "bird2"},
    "gobgp": {"gobgpd": "gobgpd", "gobgp": "gobgpd"},
    "frr": {"/usr/lib/frr/zebra": "frr", "/usr/lib/frr/bgpd": "frr", "vtysh": "frr"},
    "openbgpd": {"/usr/sbin/bgpd": "openbgpd", "bgpctl": "openbgpd"},
    "exabgp": {"exabgp": "exabgp"},
}
CNI_DIRS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
CNI_PLUGINS = ("bridge", "host-local")

# name -> commands; all must succeed in a network namespace of their own
FEATURES = {
    "veth": ["ip link add t0 type veth peer name t1"],
    "bridge": ["ip link add t0 type bridge"],
    "dummy": ["ip link add t0 type dummy"],
    "vxlan": ["ip link add t0 type vxlan id 7 dstport 4789 local 127.0.0.1"],
    "ipip": ["ip link add t0 type ipip local 127.0.0.1 remote 127.0.0.2"],
    "fou": ["ip fou add port 5555 ipproto 4"],
    "ipset": [
        "ipset create t0 hash:net timeout 0",
        "ipset create t1 hash:ip timeout 0",
    ],
    "nf_tables": ["nft add table ip t0"],
    "iptables": ["iptables -t filter -A FORWARD -m comment --comment x -j ACCEPT"],
    "iptables-set": [
        "ipset create t0 hash:net",
        "iptables -t nat -A POSTROUTING -m set --match-set t0 src -j MASQUERADE",
    ],
    "ip_vs": ["ipvsadm -A -t 10.0.0.1:80 -s rr"],
    "sctp": [
        "/usr/bin/python3 -ISc 'from socket import *; socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP)'"
    ],
    "br_netfilter": ["test -e /proc/sys/net/bridge/bridge-nf-call-iptables"],
}


def root():
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and needs root: run it as uid 0")


def programs(table=None):
    missing = [f"{p} (package {pkg})" for p, pkg in (table or PROGRAMS).items() if not _which(p)]
    if missing:
        raise LabError("not installed: " + ", ".join(missing))


def _which(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def cni_path():
    for d in CNI_DIRS:
        if all(os.access(os.path.join(d, p), os.X_OK) for p in CNI_PLUGINS):
            return d
    raise LabError(
        f"CNI plugins {', '.join(CNI_PLUGINS)} in none of {', '.join(CNI_DIRS)}"
        " (package containernetworking-plugins)"
    )


@functools.lru_cache(maxsize=None)
def missing_feature(name):
    """Why the kernel (or the tool that asks it) cannot do this; None if it can."""
    r = subprocess.run(
        ["unshare", "-n", "sh", "-ec", "\n".join(FEATURES[name])],
        capture_output=True,
        text=True,
        check=False,
    )
    if r.returncode == 0:
        return None
    said = (r.stderr or r.stdout).strip().splitlines()
    return f"kernel feature {name}: {said[-1] if said else f'exit {r.returncode}'}"


def features(*names):
    missing = [m for m in map(missing_feature, names) if m]
    if missing:
        raise LabError("; ".join(missing))
