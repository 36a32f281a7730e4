# SPDX-License-Identifier: Apache-2.0
"""IPv6 and both families: nodes, pods, services, the API server, agents."""

import json
import os

import pytest

from lablib import api, connect, plan, state
from lablib.errors import LabError
from test_lab_verbs import cli, join


@pytest.mark.parametrize(
    "fams, ips, cidrs",
    [
        ((4,), ("192.168.2.9",), ("172.20.8.0/24",)),
        ((6,), ("fd00:192:168:2::9",), ("fd00:172:20:8::/64",)),
        ((4, 6), ("192.168.2.9", "fd00:192:168:2::9"), ("172.20.8.0/24", "fd00:172:20:8::/64")),
    ],
)
def test_addresses_of_a_node(fams, ips, cidrs):
    p = plan.node(9, 2, fams)
    assert (p.ips, p.pod_cidrs, p.ip, p.pod_cidr) == (ips, cidrs, ips[0], cidrs[0])
    found = plan.node_object(p)
    assert found["spec"] == {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)}
    assert [a["address"] for a in found["status"]["addresses"]] == [*ips, "node9"]


def test_the_first_pod_cidr_is_written_as_the_kernel_writes_it():
    assert plan.pod_cidrs(1, (6,)) == ("fd00:172:20::/64",)


def test_unknown_families_are_refused(lab_root):
    with pytest.raises(LabError, match="--ip-families 64"):
        plan.families("64")
    assert cli("up", "nosuchlab", "--ip-families", "5").returncode == 2


@pytest.fixture(scope="module")
def both(module_lab_factory):
    made = module_lab_factory(nodes=3, subnets=2, agent=None, families="46")
    join([n for n in made.nodes if n.host.subnet == 1])
    return made


def test_nodes_have_both(both):
    one, three = both.node(1), both.node(3)
    assert three.ips == ["192.168.2.3", "fd00:192:168:2::3"]
    for family, saw in ((4, "192.168.1.1"), (6, "fd00:192:168:1::1")):
        for proto in ("tcp", "udp"):
            assert both.connect("node1", "node3", family=family, proto=proto).saw == saw
        assert both.connect("node1", "node3", family=family, proto="icmp").result == "ok"
    assert both.connect("outside", "node1", family=6).saw == "fd00:192:168:1::254"
    assert one.exec("cat", "/proc/sys/net/ipv6/conf/all/forwarding") == "1\n"
    rows = json.loads(cli("status", both, "-o", "json").stdout)["nodes"]
    assert rows[2]["podCIDRs"] == ["172.20.2.0/24", "fd00:172:20:2::/64"]


def test_pods_have_both(both):
    a, b = both.pod("a", node=1), both.pod("b", node=2)
    assert a.ips == ["172.20.0.2", "fd00:172:20::2"]
    found = api.get(both.state, "pods", "a")["status"]
    assert found["podIPs"] == [{"ip": i} for i in a.ips]
    assert found["hostIPs"] == [{"ip": "192.168.1.1"}, {"ip": "fd00:192:168:1::1"}]
    for family, saw in zip((4, 6), a.ips):
        assert a.connect(b, family=family).saw == saw
        assert a.connect(b, family=family, proto="udp").saw == saw
        assert a.connect("b:81", family=family).result == "refused"
    t = both.probe(a, b, rate=100, seconds=0.2, family=6, proto="udp")
    assert (t.sent, t.ok) == (20, 20)


def test_services_have_both(both):
    both.api.create({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"ipFamilyPolicy": "RequireDualStack", "ports": [{"port": 80}]}})
    spec = api.get(both.state, "svc", "s")["spec"]
    assert spec["clusterIPs"] == ["10.68.0.2", "fd00:10:68::1"]
    for family, ip in zip((4, 6), spec["clusterIPs"]):
        assert connect.target(both.state, "s", "default", family, "tcp") == (ip, 80)


def test_a_node_moves_in_both(both):
    r = cli("node", both, "readdress", "node3", "--ip", "fd00:192:168:2::33")
    assert r.stdout.split()[1] == "192.168.2.33,fd00:192:168:2::33", r.stderr
    both.state = state.Lab.load(both.name)
    for family in (4, 6):
        assert both.connect("node1", "node3", family=family).result == "ok"
    r = cli("node", both, "readdress", "node3", "--pod-cidr", "fd00:172:20:99::/64")
    assert r.stdout.split()[2] == "172.20.2.0/24,fd00:172:20:99::/64", r.stderr


def test_ipv6_alone(lab_factory):
    made = lab_factory(nodes=2, subnets=2, agent=None, families="6")
    one = made.node(1)
    assert one.json("ip", "-j", "-4", "addr", "show", "eth0") == []
    assert made.connect("node1", "node2").saw == "fd00:192:168:1::1"
    service = api.get(made.state, "svc", "kubernetes")["spec"]
    assert (service["clusterIPs"], service["ipFamilies"]) == (["fd00:10:68::1"], ["IPv6"])
    (one_slice,) = api.list_all(made.state, "endpointslices", "default")
    assert one_slice["addressType"] == "IPv6"
    assert one_slice["endpoints"][0]["addresses"] == ["fd00:192:168:1::250"]
    with open(one.host.path("kubeconfig"), encoding="utf-8") as f:
        assert "https://[fd00:192:168:1::250]:6443" in f.read()
    with open(os.path.join(made.state.dir, "api", "ca.crt"), encoding="ascii") as f:
        ca = f.read()
    code = ("import ssl,urllib.request as u;"
            "c=ssl.create_default_context(cafile='/dev/stdin');"
            f"print(u.urlopen('{plan.api_url((6,))}/version',context=c,timeout=5).status)")
    assert made.node(2).exec("/usr/bin/python3", "-c", code, text=ca) == "200\n"


@pytest.mark.parametrize("families", ["6", "46"])
def test_the_agent_under_test_speaks_them(lab_factory, families):
    """`up` itself waits for sessions and for the routes of each family."""
    made = lab_factory(nodes=2, families=families)
    a, b = made.pod("a", node=1), made.pod("b", node=2)
    for family in plan.FAMILIES[families]:
        assert a.connect(b, family=family).saw == a.ips[plan.FAMILIES[families].index(family)]


def test_a_node_is_added_with_its_agent(lab_factory):
    """The others learn of it from the API alone; `node add` returns when they have."""
    made = lab_factory(nodes=2)
    r = cli("node", made, "add", "node3")
    assert r.returncode == 0, r.stderr
    made.state = state.Lab.load(made.name)
    assert made.node(1).routes("proto", "17")["172.20.2.0/24"]["gateway"] == "192.168.1.3"
    made.pod("c", node=3)
    assert made.connect("c", "node1").result == "ok"
    assert cli("node", made, "remove", "node3").returncode == 0
    made.eventually(made.node(1).routes, "proto", "17", has={"172.20.2.0/24": None}, within=15)
