# SPDX-License-Identifier: Apache-2.0
"""The routing feature of the agent, on real kernels: routes, sets, rules, sessions, packets."""

import json
import time

import pytest

ROUTES = ("proto", "17")


def pod_cidr_of(lab, name):
    return lab.api.get("nodes", name)["spec"]["podCIDR"]


def node_object(name, ip, *cidrs, annotations=None):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {},
        "status": {"addresses": [{"type": "InternalIP", "address": ip},
                                 {"type": "Hostname", "address": name}]},
    }


def change_cidr(lab, name, cidr):
    lab.api.patch("nodes", name, {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}})


def members(node, name):
    return node.ipset(name)["members"]


def scrape(node):
    return node.exec("/usr/bin/python3", "-c",
                     "import urllib.request as u;"
                     "print(u.urlopen('http://127.0.0.1:8080/metrics').read().decode())")


def counter(node, name):
    return float(next(line.split()[1] for line in scrape(node).splitlines()
                      if line.startswith(name + " ")))


@pytest.fixture(scope="module")
def mesh(module_lab_factory):
    """Three nodes, for tests that only look or put everything back."""
    return module_lab_factory(nodes=3)


# --- what is there ---


def test_pods_of_all_nodes_reach_each_other(mesh):
    pods = [mesh.pod(f"pod{i}", node=f"node{1 + i % 3}") for i in range(6)]
    for one in pods:
        for other in pods:
            if one is not other:
                assert one.connect(other).result == "ok", f"{one.name} -> {other.name}"


def test_the_other_side_sees_the_pods_own_address(mesh):
    client, server = mesh.pod("plain", node="node1"), mesh.pod("seen", node="node2")
    answer = client.connect(server)
    assert answer.result == "ok" and answer.saw == client.ip


def test_routes_and_own_cidr(mesh):
    for node in mesh.nodes:
        others = {n.pod_cidr: {"gateway": n.ip}
                  for n in mesh.nodes if n.name != node.name}
        mesh.eventually(node.routes, *ROUTES, has=others)
        assert len(node.routes(*ROUTES)) == len(others)


def test_sets_as_tools_expect_them(mesh):
    for node in mesh.nodes:
        pods, ips = node.ipset("kube-router-pod-subnets"), node.ipset("kube-router-node-ips")
        assert pods["type"] == "hash:net" and ips["type"] == "hash:ip"
        for s in (pods, ips):
            assert "family inet " in s["header"] + " " and "timeout 0" in s["header"]
        assert set(pods["members"]) == {n.pod_cidr for n in mesh.nodes}
        assert set(ips["members"]) == {n.ip for n in mesh.nodes}
        assert all("timeout 0" in o for s in (pods, ips) for o in s["members"].values())


def test_rules_are_the_references(mesh):
    """`iptables -C` in the words of the Go kube-router finds them: an upgrade doubles nothing."""
    node = mesh.node(1)
    forward = [
        ["-i", "kube-bridge", "allow outbound traffic from pods"],
        ["-o", "kube-bridge", "allow inbound traffic to pods"],
        ["-o", "eth0", "allow outbound node port traffic on node interface with which node ip "
         "is associated"],
    ]
    for way, interface, comment in forward:
        node.exec("iptables", "-C", "FORWARD", "-m", "comment", "--comment", comment, way,
                  interface, "-j", "ACCEPT")
    pods, nodes = "kube-router-pod-subnets", "kube-router-node-ips"
    node.exec("iptables", "-t", "nat", "-C", "POSTROUTING", "-m", "set", "--match-set", pods,
              "src", "-m", "set", "!", "--match-set", pods, "dst", "-m", "set", "!",
              "--match-set", nodes, "dst", "-j", "MASQUERADE", "--random-fully")


def test_sessions_have_the_programs_name(mesh):
    for node in mesh.nodes:
        lines = [line for line in node.exec("ss", "-Htnp", "state", "established").splitlines()
                 if ":179 " in line + " "]
        assert len(lines) == 2 and all('"kube-router"' in line for line in lines)


def test_sysctl_and_bridge(mesh):
    for node in mesh.nodes:
        assert node.exec("cat", "/proc/sys/net/bridge/bridge-nf-call-iptables").strip() == "1"
        assert node.links()["kube-bridge"]["linkinfo"]["info_kind"] == "bridge"


def test_cni_file_is_completed(mesh):
    node = mesh.node(2)
    conf = json.loads(node.exec("cat", "/etc/cni/net.d/10-kuberouter.conflist"))
    bridge = [p for p in conf["plugins"] if p["type"] == "bridge"][0]
    assert bridge["ipam"]["ranges"] == [[{"subnet": node.pod_cidr}]]
    assert bridge["mtu"] == 1500


def test_pods_leave_the_cluster_as_their_node(mesh):
    """The router outside knows no pod: an answer from it proves the masquerade."""
    pod = mesh.pod("leaves", node="node1")
    answer = mesh.connect(pod, "192.168.1.254")
    assert answer.result == "ok" and answer.saw == mesh.node(1).ip


# --- the processes ---


def test_rights(mesh):
    """The agent keeps five capabilities, the BGP process none and a uid of its own."""
    node = mesh.node(1)
    net_admin, net_raw, net_bind, setuid, setgid = 12, 13, 10, 7, 6
    want = sum(1 << c for c in (net_admin, net_raw, net_bind, setuid, setgid))
    status = mesh.node(1).show("status")
    bgp = node.exec("cat", f"/proc/{status['bgpPID']}/status")
    facts = dict(line.split(":\t", 1) for line in bgp.splitlines() if ":\t" in line)
    assert int(facts["CapEff"], 16) == 0 and int(facts["CapPrm"], 16) == 0
    assert facts["Uid"].split() == ["60179"] * 4 and facts["NoNewPrivs"] == "1"
    assert facts["Name"] == "kube-router"
    environ = node.exec("cat", f"/proc/{status['bgpPID']}/environ", check=False)
    assert environ == ""
    agent = facts["PPid"]
    facts = dict(line.split(":\t", 1) for line in
                 node.exec("cat", f"/proc/{agent}/status").splitlines() if ":\t" in line)
    assert int(facts["CapEff"], 16) & ~want == 0 and int(facts["CapBnd"], 16) & ~want == 0


def test_status_and_tables(mesh):
    node = mesh.node(1)
    status = node.show("status")
    assert status["node"] == "node1" and status["asn"] == 64512 and status["ready"]
    assert {p["address"] for p in status["peers"]} == {"192.168.1.2", "192.168.1.3"}
    assert all(p["state"] == "established" for p in status["peers"])
    assert all(t["failed"] == 0 for t in status["tables"])
    assert all(t["drift"] == 0 for t in status["tables"]), "our own echoes are not drift"
    rows = {r["key"]: r for r in node.show("table", "routes")["rows"]}
    assert rows["172.20.1.0/24"]["state"] == "ok"
    assert rows["172.20.1.0/24"]["owners"] == ["route/172.20.1.0/24"]
    assert "172.20.1.0/24" in node.exec("kube-router", "table", "routes")
    assert {r["name"] for r in node.show("table", "nodes")["rows"]} == {"node1", "node2", "node3"}


def test_metrics(mesh):
    text = scrape(mesh.node(1))
    assert ('kube_router_bgp_peer_info{address="192.168.1.2",type="internal",asn="64512",'
            'state="established"} 1') in text
    assert "\nkube_router_host_routes_synced 2\n" in text
    assert "\nprocess_resident_memory_bytes " in text
    for name in ("controller_bgp_internal_peers", "controller_routes", "host_routes"):
        assert f"\n# TYPE kube_router_{name}_sync_time histogram\n" in text
        assert f"\nkube_router_{name}_sync_time_count 0\n" not in text


# --- what changes ---


def test_node_added_and_removed(mesh):
    one = mesh.node(1)
    mesh.api.create(node_object("ghost", "192.168.1.99", "172.20.98.0/24"))
    mesh.eventually(members, one, "kube-router-pod-subnets", has={"172.20.98.0/24": "timeout 0"})
    mesh.eventually(members, one, "kube-router-node-ips", has={"192.168.1.99": "timeout 0"})
    mesh.api.delete("nodes", "ghost")
    mesh.eventually(members, one, "kube-router-pod-subnets", has={"172.20.98.0/24": None})
    mesh.eventually(members, one, "kube-router-node-ips", has={"192.168.1.99": None})
    peers = [p["address"] for p in one.show("status")["peers"]]
    assert "192.168.1.99" not in peers


def test_malformed_node_hurts_only_itself(mesh):
    one = mesh.node(1)
    before = members(one, "kube-router-pod-subnets")
    mesh.api.create(node_object("broken", "192.168.1.98", "nonsense", "172.20.97.0/24"))
    mesh.eventually(members, one, "kube-router-pod-subnets", has={"172.20.97.0/24": "timeout 0"})
    assert set(members(one, "kube-router-pod-subnets")) == set(before) | {"172.20.97.0/24"}
    problems = {p["owner"]: p["text"] for p in one.show("status")["problems"]}
    assert 'spec.podCIDRs[0]: "nonsense"' in problems["node/broken"]
    mesh.api.delete("nodes", "broken")
    mesh.eventually(members, one, "kube-router-pod-subnets", has={"172.20.97.0/24": None})


def test_cidr_changes_within_200_ms(lab):
    """Routes and sets of the others follow; the announcement comes from the node itself."""
    one, two = lab.node(1), lab.node(2)
    lab.eventually(one.routes, *ROUTES, has={"172.20.1.0/24": {"gateway": two.ip}})
    start = time.monotonic()
    change_cidr(lab, "node2", "172.20.77.0/24")
    lab.eventually(one.routes, *ROUTES, has={"172.20.77.0/24": {"gateway": two.ip},
                                             "172.20.1.0/24": None})
    print(f"route followed after {1000 * (time.monotonic() - start):.0f} ms, polls included")
    assert set(members(one, "kube-router-pod-subnets")) == {
        "172.20.0.0/24", "172.20.77.0/24", "172.20.2.0/24"}
    conf = lab.eventually(
        lambda: json.loads(two.exec("cat", "/etc/cni/net.d/10-kuberouter.conflist")),
        has={"plugins": [{"ipam": {"ranges": [[{"subnet": "172.20.77.0/24"}]]}}]})
    assert len(conf["plugins"][0]["ipam"]["ranges"]) == 1, "the old range must go"


def test_deleted_node_loses_routes_and_session(lab):
    one, three = lab.node(1), lab.node(3)
    lab.eventually(one.routes, *ROUTES, has={three.pod_cidr: {"gateway": three.ip}})
    lab.api.delete("nodes", "node3")
    lab.eventually(one.routes, *ROUTES, has={three.pod_cidr: None})
    lab.eventually(lambda: len(one.sessions()) == 1)
    assert three.pod_cidr not in members(one, "kube-router-pod-subnets")


def test_own_node_deleted_and_registered_anew(lab):
    """A kubelet that registers again must not cost its running pods their way out."""
    one, two = lab.node(1), lab.node(2)
    lab.eventually(two.routes, *ROUTES, has={one.pod_cidr: {"gateway": one.ip}})
    sets = [members(one, "kube-router-pod-subnets"), members(one, "kube-router-node-ips")]
    lab.api.delete("nodes", "node1")
    lab.eventually(two.routes, *ROUTES, has={one.pod_cidr: None})
    assert [members(one, "kube-router-pod-subnets"), members(one, "kube-router-node-ips")] == sets

    bad = {"kube-router.io/pod-cidrs": "not-yet"}
    lab.api.create(node_object("node1", one.ip, one.pod_cidr, annotations=bad))
    lab.eventually(lambda: [p["owner"] for p in one.show("status")["problems"]
                            if "no usable pod CIDR" in p["text"]] == ["self/node1"])
    assert members(one, "kube-router-pod-subnets") == sets[0]
    assert one.pod_cidr in [row["key"] for row in one.show("table", "bgp-announcements")["rows"]]

    lab.api.patch("nodes", "node1", {"metadata": {"annotations": {key: None for key in bad}}})
    lab.eventually(lambda: [p["text"] for p in one.show("status")["problems"]] == [])
    lab.eventually(two.routes, *ROUTES, has={one.pod_cidr: {"gateway": one.ip}}, within=30)


def test_a_pods_interface_is_no_reason_to_plan(mesh):
    one = mesh.node(1)

    def planned():
        return counter(one, "kube_router_engine_passes_total")

    mesh.eventually(lambda: one.show("status")["ready"])
    before = planned()
    one.exec("ip", "link", "add", "pod-a", "type", "veth", "peer", "name", "pod-b")
    one.exec("ip", "link", "set", "pod-a", "up")
    one.exec("ip", "address", "add", "198.51.100.1/32", "dev", "pod-a")
    time.sleep(0.5)
    assert planned() == before
    one.exec("ip", "link", "del", "pod-a")


def test_off_subnet_node_gets_nothing_and_one_warning(lab_factory):
    lab = lab_factory(nodes=2, subnets=2, wait="health")
    one = lab.node(1)
    lab.eventually(lambda: [p["state"] for p in one.show("status")["peers"]] == ["established"],
                   within=30)
    rows = lab.eventually(lambda: one.show("table", "bgp-routes")["rows"])
    assert rows[0]["prefix"] == "172.20.1.0/24" and "in no subnet" in rows[0]["verdict"]
    assert one.routes(*ROUTES) == {}
    lab.api.patch("nodes", "node2", {"metadata": {"labels": {"touched": "yes"}}})
    warnings = [line for line in one.agent.log.splitlines()
                if "node2" in line and "in no subnet" in line]
    assert len(warnings) == 1 and "192.168.2.2" in warnings[0]
    # what had no route is not kept as one when the BGP process is lost
    pid = one.show("status")["bgpPID"]
    one.exec("kill", "-9", str(pid))
    lab.eventually(lambda: one.show("status")["bgpPID"] not in (0, pid))
    assert one.show("status")["kept"] == 0
    assert one.show("table", "routes")["rows"] == []


def test_stop_leaves_the_kernel_forwarding(lab):
    one, two = lab.node(1), lab.node(2)
    a, b = lab.pod("a", node="node1"), lab.pod("b", node="node2")
    assert a.connect(b).result == "ok"
    start = time.monotonic()
    one.agent.stop()
    assert time.monotonic() - start < 10
    assert one.routes(*ROUTES) and one.ipset("kube-router-pod-subnets")
    one.agent.start()
    lab.eventually(lambda: len(one.sessions()) == 2, within=30)
    lab.eventually(two.routes, *ROUTES, has={one.pod_cidr: {"gateway": one.ip}})
    lab.eventually(lambda: a.connect(b).result == "ok")


def test_restart_changes_nothing_that_is_right(lab):
    """The second start finds its work done: no rule twice, the CNI file untouched."""
    one = lab.node(1)
    look = [["iptables-save", "-t", "filter"], ["iptables-save", "-t", "nat"],
            ["stat", "-c", "%i %Y", "/etc/cni/net.d/10-kuberouter.conflist"]]

    def seen():
        return [[line for line in one.exec(*words).splitlines() if not line.startswith(("#", ":"))]
                for words in look]

    before = seen()
    one.agent.restart()
    lab.eventually(lambda: one.show("status")["ready"], within=30)
    lab.eventually(lambda: len(one.sessions()) == 2, within=30)
    assert seen() == before


def test_stale_route_of_a_node_that_is_gone_is_removed_at_start(lab):
    """The reference leaves protocol-17 routes of a former run for good."""
    one = lab.node(1)
    one.agent.stop()
    one.exec("ip", "route", "add", "172.20.200.0/24", "via", "192.168.1.200", "proto", "17")
    one.exec("ip", "route", "add", "172.20.201.0/24", "via", "192.168.1.200", "proto", "static")
    one.agent.start()
    lab.eventually(one.routes, *ROUTES, has={"172.20.200.0/24": None, "172.20.1.0/24": {}},
                   within=30)
    assert "172.20.201.0/24" in one.routes(), "a route of somebody else's was removed"


def test_bgp_process_killed_comes_back(lab):
    one = lab.node(1)
    a, b = lab.pod("a", node="node1"), lab.pod("b", node="node2")
    pid = one.show("status")["bgpPID"]
    one.exec("kill", "-9", str(pid))
    lab.eventually(lambda: one.show("status")["bgpPID"] not in (0, pid))
    assert len(one.routes(*ROUTES)) == 2, "routes are kept while the process comes back"
    lab.eventually(lambda: [p["state"] for p in one.show("status")["peers"]]
                   == ["established"] * 2, within=30)
    lab.eventually(lambda: a.connect(b).result == "ok")
    assert len(one.routes(*ROUTES)) == 2


LISTENER = ("import socket, time; s = socket.socket();"
            "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1);"
            "s.bind(('%s', 179)); s.listen(); time.sleep(600)")


def test_bgp_port_taken(lab):
    """Routes stay, the end comes at once, and with the port free the sessions come back."""
    one = lab.node(1)
    lab.eventually(lambda: len(one.routes(*ROUTES)) == 2)
    one.agent.stop()
    one.exec("sh", "-c", 'exec "$@" >/dev/null 2>&1 & echo $! >/run/taken', "sh",
             "/usr/bin/python3", "-c", LISTENER % one.ip)
    one.agent.start()
    lab.eventually(lambda: "BGP cannot start" in one.agent.log)
    status = one.show("status")
    assert not status["bgpListening"] and status["kept"] == 2 and len(one.routes(*ROUTES)) == 2
    start = time.monotonic()
    assert one.agent.stop() == 0 and time.monotonic() - start < 2
    one.agent.start()
    lab.eventually(lambda: not one.show("status")["bgpListening"])
    one.exec("sh", "-c", "kill $(cat /run/taken)")
    lab.eventually(lambda: len(one.sessions()) == 2, within=30)
    lab.eventually(lambda: one.show("status")["kept"] == 0)
    assert len(one.routes(*ROUTES)) == 2


def test_api_server_away_and_back(lab):
    one = lab.node(1)
    lab.api.fault("down")
    lab.eventually(lambda: not one.show("status")["apiConnected"], within=40)
    assert one.healthz() == 200 and len(one.routes(*ROUTES)) == 2
    lab.api.fault("up")
    lab.api.create(node_object("later", "192.168.1.97", "172.20.96.0/24"))
    lab.eventually(members, one, "kube-router-pod-subnets", has={"172.20.96.0/24": "timeout 0"},
                   within=40)


def test_watch_expired_lists_again(lab):
    one = lab.node(1)
    lab.api.fault("410")
    lab.api.create(node_object("after410", "192.168.1.96", "172.20.95.0/24"))
    lab.eventually(members, one, "kube-router-pod-subnets", has={"172.20.95.0/24": "timeout 0"},
                   within=20)
    lab.api.delete("nodes", "after410")
    lab.eventually(members, one, "kube-router-pod-subnets", has={"172.20.95.0/24": None},
                   within=20)


@pytest.mark.parametrize("kind", ["bird", "gobgp"])
def test_packaged_peer_as_a_fourth_node(lab, kind):
    """A Node whose BGP is spoken by somebody else's program: routes go both ways."""
    one = lab.node(1)
    peer = lab.peer("other", kind=kind, asn=64512, prefixes=["172.20.50.0/24"])
    lab.api.create(node_object("other", peer.ip, "172.20.50.0/24"))
    for node in lab.nodes:
        lab.eventually(node.routes, *ROUTES, has={"172.20.50.0/24": {"gateway": peer.ip}},
                       within=60)
    lab.eventually(lambda: set(peer.routes()) >= {n.pod_cidr for n in lab.nodes}, within=60)
    state = {p["address"]: p["state"] for p in one.show("status")["peers"]}
    assert state[peer.ip] == "established"
    lab.api.delete("nodes", "other")
    lab.eventually(one.routes, *ROUTES, has={"172.20.50.0/24": None}, within=20)


# --- start errors: one line, the right exit status, nothing changed ---


@pytest.mark.parametrize("args, status, text", [
    (["--overlay-type=foo"], 1, '--overlay-type is "foo"'),
    (["--nope"], 2, "unknown flag: --nope"),
    (["stray"], 1, "unrecognized positional argument(s): [stray]"),
    (["--kubeconfig=/nowhere"], 1, "failed to parse kube-router config: "),
    (["--cache-sync-timeout=1s", "--master=https://192.168.1.251:6443"], 1,
     "failed to run kube-router: failed to synchronize cache: 1s timeout"),
    (["--enable-ipv6"], 1, "IPv6 was enabled, but no IPv6 address was found on the node"),
])
def test_start_errors(lab_factory, agent_path, args, status, text):
    lab = lab_factory(nodes=1, agent=None, wait="none")
    one = lab.node(1)
    program = "/run/lab/host" + agent_path if agent_path.startswith("/tmp/") else agent_path
    script = ('{ NODE_NAME=node1 KUBE_ROUTER_CNI_CONF_FILE=/etc/cni/net.d/10-kuberouter.conflist '
              '"$@"; echo "status $?"; } 2>&1')
    out = one.exec("sh", "-c", script, "sh", program,
                   "--kubeconfig=/run/lab/node/kubeconfig", *args, timeout=60)
    assert text in out and out.rstrip().endswith(f"status {status}"), out
    assert one.ipset("kube-router-pod-subnets") is None
    assert "kube-bridge" not in one.links()
