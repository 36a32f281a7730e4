# SPDX-License-Identifier: Apache-2.0
"""Routers of other makers beside ours: each kind that `./lab peer` starts exchanges routes with the
nodes in every family, and carries packets where it writes them into the kernel."""

import pytest

from lablib import need, peer, peer_kinds
from lablib.errors import LabError

PREFIXES = {4: "172.20.50.0/24", 6: "fd00:172:20:50::/64"}
FIRST = {4: "172.20.50.1", 6: "fd00:172:20:50::1"}
NOT_IN_THE_KERNEL = ("exabgp", "gobgp", "openbgpd")  # as packaged for Linux, they only talk
ROUTES = ("proto", "17")


@pytest.fixture(scope="module", params=["4", "6", "46"])
def lab(request, module_lab_factory):
    return module_lab_factory(nodes=2, families=request.param)


def node_object(name, ips, cidrs):
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
        "status": {"addresses": [{"type": "InternalIP", "address": ip} for ip in ips]},
    }


def gateways(node, family):
    found = node.json("ip", f"-{family}", "-j", "route", "show", *ROUTES)
    return {r["dst"]: r.get("gateway") for r in found}


@pytest.mark.parametrize("kind", sorted(peer.KINDS))
def test_routes_go_both_ways_and_packets_follow(lab, kind):
    families = lab.state.families
    prefixes = [PREFIXES[f] for f in families]
    other = lab.peer(kind, kind, asn=64512, prefixes=prefixes)
    lab.api.create(node_object("other", other.host.ips, prefixes))
    try:
        for node in lab.nodes:
            for family, ip in zip(families, other.host.ips):
                lab.eventually(gateways, node, family, has={PREFIXES[family]: ip}, within=30)
        want = {c: node.ips[i] for node in lab.nodes for i, c in enumerate(node.pod_cidrs)}
        heard = lab.eventually(lambda: [r for r in other.routes().values() if r["prefix"] in want]
                               if want.keys() <= other.routes().keys() else None, within=30)
        assert {r["prefix"]: r["next_hop"] for r in heard} == want
        assert {r["from"] for r in heard} == {node.ip for node in lab.nodes}
        assert all(r["as_path"] == [] for r in heard)
        if kind not in NOT_IN_THE_KERNEL:
            pod = lab.pod(f"for-{kind}", node=1)
            for family in families:
                lab.eventually(lambda f=family: lab.connect(pod, FIRST[f], proto="icmp").result,
                               has="ok", within=10)
    finally:
        other.delete()
        lab.api.delete("nodes", "other")
    for family in families:
        lab.eventually(gateways, lab.node(1), family, has={PREFIXES[family]: None}, within=20)


@pytest.mark.parametrize("kind", ["bird", "gobgp", "openbgpd"])  # the others start all the same
def test_a_peer_that_cannot_read_its_configuration_says_so(lab, kind, tmp_path):
    config = tmp_path / "config"
    config.write_text("nonsense {\n")
    with pytest.raises(LabError, match="ended"):
        lab.peer("bad", kind, config=str(config))
    assert lab.state.host("bad") is None


def test_a_prefix_of_a_family_that_the_lab_lacks_is_refused(lab):
    lacking = {4, 6} - set(lab.state.families)
    for family in lacking:
        with pytest.raises(LabError, match="no such addresses"):
            lab.peer("bad", "bird", prefixes=[PREFIXES[family]])


def test_every_kind_has_a_package():
    assert set(need.PEER_PROGRAMS) == set(peer.KINDS)


def test_what_exabgp_heard_is_folded():
    up = '{"type":"update","neighbor":{"address":{"peer":"192.168.1.1"},"message":{"update":%s}}}'
    text = "\n".join([
        up % '{"attribute":{"as-path":[65001],"local-preference":100,"community":[[64512,7]]},'
             '"announce":{"ipv4 unicast":{"192.168.1.1":[{"nlri":"10.0.0.0/8"},{"nlri":"10.1.0.0/16"}]}}}',
        up % '{"withdraw":{"ipv4 unicast":[{"nlri":"10.0.0.0/8"}]}}',
        '{"type":"state","neighbor":{"address":{"peer":"192.168.1.2"},"state":"down"}}',
        '{"half',
    ])
    (one,) = peer_kinds.exabgp_routes(text)
    assert (one["prefix"], one["next_hop"], one["as_path"]) == ("10.1.0.0/16", "192.168.1.1", [65001])
    assert (one["communities"], one["local_pref"]) == (["64512:7"], 100)
