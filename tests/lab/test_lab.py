# SPDX-License-Identifier: Apache-2.0
"""The lab itself: addresses, namespaces, pods by CNI, connections, peers, and that it goes away.
Most of it needs no agent; where the CNI file must be completed, the test does that."""

import json
import os
import signal
import subprocess

import pytest

from lablib import api, clean, connect, lab as labs, need, ns, peer, peer_kinds, plan, pods
from lablib import show, state
from lablib import testlab
from lablib.errors import LabError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def cli(*words, **how):
    return subprocess.run(
        [os.path.join(ROOT, "lab"), *words], capture_output=True, text=True, check=False, **how
    )


# --- pure parts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "n, k, want",
    [
        (1, 1, [1]),
        (4, 2, [1, 1, 2, 2]),
        (5, 2, [1, 1, 1, 2, 2]),
        (3, 3, [1, 2, 3]),
        (200, 1, [1] * 200),
    ],
)
def test_nodes_come_in_blocks(n, k, want):
    found = plan.nodes(n, k)
    assert [p.subnet for p in found] == want
    last = found[-1]
    assert last.name == f"node{n}"
    assert last.ip == f"192.168.{k}.{n}"
    assert last.pod_cidr == f"172.20.{n - 1}.0/24"


@pytest.mark.parametrize("n, k", [(0, 1), (201, 1), (3, 0), (3, 4)])
def test_impossible_sizes_are_refused(n, k):
    with pytest.raises(LabError):
        plan.nodes(n, k)


@pytest.mark.parametrize("name", ["", "a-b", "A", "1a", "a_b", "a" * 32, "../x"])
def test_bad_lab_names_are_refused(name):
    with pytest.raises(LabError):
        plan.lab_name(name)


@pytest.mark.parametrize("name", ["node1", "infra.x", "", "-a", "abcdefghijklm", "Node"])
def test_bad_peer_names_are_refused(name):
    with pytest.raises(LabError):
        plan.peer_name(name)


@pytest.mark.parametrize(
    "name, want",
    [
        ("x-node1", True),
        ("x-infra", True),
        ("x-peer-bird1", True),
        ("x-node01", False),
        ("x-other", False),
        ("xy-node1", False),
        ("x", False),
    ],
)
def test_only_own_namespaces_are_ours(name, want):
    assert plan.owns_netns("x", name) is want


@pytest.mark.parametrize(
    "text, want",
    [
        ("web", ("web", None)),
        ("web:81", ("web", 81)),
        ("default/web:81", ("default/web", 81)),
        ("10.0.0.1:80", ("10.0.0.1", 80)),
        ("fd00::1", ("fd00::1", None)),
        ("[fd00::1]:80", ("fd00::1", 80)),
        ("[fd00::1]", ("fd00::1", None)),
    ],
)
def test_targets_are_split(text, want):
    assert connect.split_port(text) == want


@pytest.mark.parametrize("text", ["web:", "web:0", "web:65536", "web:x", "[fd00::1", "[fd00::1]80"])
def test_bad_ports_are_refused(text):
    with pytest.raises(LabError):
        connect.split_port(text)


@pytest.mark.parametrize(
    "want, got, first",
    [
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ({"a": None}, {"b": 2}, None),
        ({"a": None}, {"a": 0}, "a should be absent, is 0"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b is 2, want 1"),
        ({"a": 1}, {}, "a is absent"),
        ({"a": 1}, [], "the value is [], not an object"),
        ([{"x": 1}], [{"x": 2}, {"x": 1, "y": 0}], None),
        ([{"x": 3}], [{"x": 2}], "the value has no {'x': 3}"),
        (1, True, None),
        ("1", 1, "the value is 1, want '1'"),
    ],
)
def test_lacking(want, got, first):
    assert testlab.lacking(want, got) == first


def test_eventually_tells_the_last_value():
    with pytest.raises(AssertionError, match="a is absent(.|\n)*last value(.|\n)*'?b"):
        testlab.eventually(lambda: {"b": 1}, has={"a": 1}, within=0.1)
    calls = iter([{}, {"a": 1}])
    assert testlab.eventually(lambda: next(calls), has={"a": 1}, within=5) == {"a": 1}


def test_bird_routes_are_read():
    text = (
        "BIRD 2.0.12 ready.\nTable master4:\n"
        "10.9.0.0/24          unicast [node1 22:01:02.123] * (100) [AS64512i]\n"
        "\tvia 192.168.1.1 on eth0\n\tType: BGP univ\n\tBGP.origin: IGP\n"
        "\tBGP.as_path: 64512 64513\n\tBGP.next_hop: 192.168.1.1\n\tBGP.med: 7\n"
        "\tBGP.local_pref: 100\n\tBGP.community: (64512,1) (65535,65281)\n"
        "                     unicast [node2 22:01:02.124 from 192.168.1.2] (100) [AS64512i]\n"
        "\tvia 192.168.1.2 on eth0\n\tBGP.next_hop: 192.168.1.2\n"
        "10.50.0.0/24         unreachable [static1 22:28:51.308] * (200)\n\tType: static univ\n"
    )
    first, second = peer_kinds.bird_routes(text)
    assert first == {
        "prefix": "10.9.0.0/24",
        "best": True,
        "from": "node1",
        "next_hop": "192.168.1.1",
        "as_path": [64512, 64513],
        "local_pref": 100,
        "med": 7,
        "communities": ["64512:1", "65535:65281"],
    }
    assert (second["prefix"], second["best"], second["from"]) == ("10.9.0.0/24", False, "node2")


@pytest.mark.parametrize(
    "words, said",
    [
        (["fly"], "invalid choice"),
        (["up", "--agent"], "the path is missing"),
        (["up", "--no-agent", "--agent", "/bin/true"], "exclude each other"),
        (["exec", "node1"], "want NODE|POD -- COMMAND"),
        (["pod", "x", "--ports", "0"], "--ports '0'"),
        (["pod", "x", "--labels", "a"], "--labels 'a'"),
    ],
)
def test_bad_command_lines_exit_2(lab_root, words, said):
    r = cli(*words)
    assert (r.returncode, said in r.stderr) == (2, True), r.stderr


@pytest.mark.parametrize(
    "words, said",
    [
        (["status", "--name", "nosuchlab"], "there is no lab 'nosuchlab'"),
        (["up", "--name", "a-b"], "lab name 'a-b'"),
        (["up", "--name", "nosuchlab", "--nodes", "201"], "--nodes 201"),
        (["up", "--name", "nosuchlab", "--agent", "/nonexistent"], "agent /nonexistent"),
    ],
)
def test_refusals_exit_1_and_leave_nothing(lab_root, words, said):
    r = cli(*words)
    assert (r.returncode, said in r.stderr) == (1, True), r.stderr
    assert not os.path.exists(os.path.join(state.ROOT, "nosuchlab"))


def test_status_table_shows_a_dead_agent():
    row = {
        "name": "node1",
        "ip": "192.168.1.1",
        "podCIDR": "172.20.0.0/24",
        "netns": "x-node1",
        "alive": True,
        "agent": {"state": "exited", "status": 255},
        "pods": [],
    }
    server = {"url": "https://x", "socket": "/s", "alive": False}
    text = show.status({"nodes": [row], "apiserver": server, "peers": []})
    assert "exited 255" in text and "DOES NOT ANSWER" in text


def test_a_missing_program_is_named_with_its_package():
    with pytest.raises(LabError, match=r"nosuchprogram \(package nosuchpackage\)"):
        need.programs({"nosuchprogram": "nosuchpackage"})


def test_documents_that_are_no_objects_are_refused():
    for text in ("- 1", "a: b", "kind: Node\nmetadata: x"):
        with pytest.raises(LabError, match="^here: "):
            api.parse(text, "here")
    rows = api.parse("kind: List\nitems: [{kind: Node, metadata: {name: a}}]\n---\n", "here")
    assert [api.title(o) for o in rows] == ["Node a"]


# --- the real thing -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(module_lab_factory):
    """Two nodes in one subnet, one in another, without agents. The test stands in for them: the
    CNI file gets its ranges, each node a route to the others."""
    made = module_lab_factory(nodes=3, subnets=2, agent=None)
    for node in made.nodes:
        conf = plan.cni_conflist()
        conf["plugins"][0]["ipam"]["ranges"] = [[{"subnet": node.pod_cidr}]]
        node.exec("sh", "-c", f"cat >{ns.CNI_FILE}", text=json.dumps(conf))
        for other in made.nodes:
            if other.name != node.name and other.host.subnet == node.host.subnet:
                node.exec("ip", "route", "add", other.pod_cidr, "via", other.ip, "proto", "17")
    return made


def test_a_node_has_what_it_must_not_share(bare):
    one, two = bare.node(1), bare.node(2)
    assert one.exec("hostname").strip() == "node1"
    for path in ("/run/x", "/tmp/x", "/etc/cni/net.d/x", "/var/lib/cni/x", "/etc/iproute2/x"):
        one.exec("touch", path)
        assert two.exec("sh", "-c", f"test -e {path} || echo no") == "no\n", path
        assert not os.path.exists(path), path
    assert set(one.exec("ls", "/sys/class/net").split()) >= {"lo", "eth0"}
    processes = one.exec("ps", "axo", "pid,args").splitlines()
    assert processes[1].split()[0] == "1" and "sleep" in processes[1]
    assert one.exec("cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"


def test_orphans_are_reaped(bare):
    node = bare.node(1)
    node.exec("sh", "-c", "sh -c 'sleep 0.1' & exit 0")
    bare.eventually(lambda: "sleep 0.1" not in node.exec("ps", "axo", "args"), within=5)
    assert "Z" not in node.exec("ps", "axo", "stat")


def test_a_node_is_reachable_by_the_name_of_its_namespace(bare):
    r = subprocess.run(
        ["ip", "netns", "exec", f"{bare.name}-node1", "ip", "-j", "addr", "show", "eth0"],
        capture_output=True, text=True, check=True,
    )
    assert json.loads(r.stdout)[0]["addr_info"][0]["local"] == "192.168.1.1"


def test_subnets_are_routed(bare):
    assert [n.ip for n in bare.nodes] == ["192.168.1.1", "192.168.1.2", "192.168.2.3"]
    assert bare.connect("node1", "node3").saw == "192.168.1.1"
    assert bare.connect("node3", "node1", proto="udp").saw == "192.168.2.3"


def test_nodes_are_in_the_api(bare):
    found = api.get(bare.state, "nodes", "node3")
    assert testlab.lacking(
        {
            "spec": {"podCIDR": "172.20.2.0/24", "podCIDRs": ["172.20.2.0/24"]},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": "192.168.2.3"},
                    {"type": "Hostname", "address": "node3"},
                ]
            },
        },
        found,
    ) is None


def test_the_kubeconfig_of_a_node_opens_the_api_server(bare, tmp_path):
    url = f"https://{plan.API_IP}:{plan.API_PORT}/version"
    certificate = os.path.join(bare.state.dir, "api", "ca.crt")
    code = (
        "import ssl,sys,urllib.request as u;"
        "c=ssl.create_default_context(cafile='/dev/stdin');"
        f"print(u.urlopen({url!r},context=c,timeout=5).status)"
    )
    with open(certificate, encoding="ascii") as f:
        out = bare.node(3).exec("/usr/bin/python3", "-c", code, text=f.read())
    assert out == "200\n"
    assert "192.168.1.250:6443" in bare.node(3).exec("cat", f"{ns.OWN_DIR}/kubeconfig")


def test_pods_get_addresses_by_cni_and_talk(bare):
    a = bare.pod("a", node=1, labels={"app": "a"})
    b = bare.pod("b", node=2)
    assert (a.ip, b.ip) == ("172.20.0.2", "172.20.1.2")
    assert "172.20.0.2" in a.exec("ip", "-4", "addr", "show", "eth0")
    for proto in ("tcp", "udp"):
        answer = a.connect(b, proto=proto)
        assert (answer.result, answer.saw, answer.who) == ("ok", a.ip, "b")
    assert a.connect(b, proto="icmp").result == "ok"
    assert a.connect("b:81").result == "refused"
    assert a.connect("b:81", proto="udp").result == "refused"
    found = api.get(bare.state, "pods", "a", "default")
    assert testlab.lacking(
        {
            "metadata": {"labels": {"app": "a"}},
            "spec": {"nodeName": "node1"},
            "status": {
                "phase": "Running",
                "podIP": a.ip,
                "podIPs": [{"ip": a.ip}],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        },
        found,
    ) is None
    with pytest.raises(LabError, match="exists already"):
        bare.pod("a")
    a.delete()
    b.delete()
    assert pods.every(bare.state) == []
    with pytest.raises(LabError):
        api.get(bare.state, "pods", "a", "default")
    assert "a" not in bare.node(1).exec("ip", "netns", "list").split()
    left = bare.node(1).exec("sh", "-c", "ls /var/lib/cni/networks/mynet")
    assert "172.20.0.2" not in left.split()  # DEL gave the address back


def test_dropped_is_timeout_and_rejected_is_refused(bare, need_kernel):
    need_kernel("iptables")
    a, b, node = bare.pod("c", node=1), bare.pod("d", node=2), bare.node(2)
    rule = ["FORWARD", "-d", b.ip, "-p", "tcp", "--dport"]
    node.exec("iptables", "-A", *rule, "80", "-j", "DROP")
    node.exec("iptables", "-A", *rule, "8080", "-j", "REJECT")
    try:
        assert a.connect(b, timeout=0.3).result == "timeout"
        assert a.connect("d:8080").result == "refused"
    finally:
        node.exec("iptables", "-F", "FORWARD")
        a.delete()
        b.delete()


def test_a_pod_on_a_node_without_ranges_is_refused_and_taken_back(bare, monkeypatch):
    monkeypatch.setattr(pods, "CNI_READY_S", 0.1)
    node = bare.node(3)
    good = node.exec("cat", ns.CNI_FILE)
    node.exec("sh", "-c", f"cat >{ns.CNI_FILE}", text=json.dumps(plan.cni_conflist()))
    try:
        with pytest.raises(LabError, match="node3: no address ranges"):
            bare.pod("e", node=3)
    finally:
        node.exec("sh", "-c", f"cat >{ns.CNI_FILE}", text=good)
    assert pods.every(bare.state) == []
    assert "e" not in [p["metadata"]["name"] for p in api.list_all(bare.state, "pods")]


def test_apply_get_delete(bare):
    doc = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: default}\n"
        "spec: {clusterIP: 10.68.0.9, ports: [{port: 80}]}\n---\n"
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: extra}\n"
    )
    lab = ["--name", bare.name]
    for _ in range(2):  # the second time it replaces
        r = cli("apply", *lab, "-f", "-", input=doc)
        assert (r.returncode, r.stderr) == (0, "")
    r = cli("get", *lab, "svc", "s", "-o", "json")
    assert json.loads(r.stdout)["spec"]["clusterIP"] == "10.68.0.9"
    assert "10.68.0.9" in cli("get", *lab, "services").stdout
    assert cli("delete", *lab, "-f", "-", input=doc).returncode == 0
    r = cli("get", *lab, "svc", "s")
    assert (r.returncode, "not found" in r.stderr) == (1, True)
    r = cli("apply", *lab, "-f", "-", input="kind: [")
    assert (r.returncode, "standard input" in r.stderr) == (1, True)
    r = cli("get", *lab, "unicorns")
    assert (r.returncode, "unicorns" in r.stderr) == (1, True)


def test_cli_pod_connect_exec_status(bare):
    lab = ["--name", bare.name]
    r = cli("pod", *lab, "web", "--node", "node1", "--labels", "app=web,tier=x")
    assert (r.returncode, r.stdout.split()[:2]) == (0, ["default/web", "node1"]), r.stderr
    r = cli("connect", *lab, "node2", "web")
    assert (r.returncode, r.stdout) == (0, "ok 192.168.1.2\n")
    r = cli("connect", *lab, "node2", "web:81")
    assert (r.returncode, r.stdout) == (1, "refused\n")
    r = cli("exec", *lab, "web", "--", "sh", "-c", "ip -o link; exit 7")
    assert r.returncode == 7 and "eth0" in r.stdout
    rows = {n["name"]: n for n in json.loads(cli("status", *lab, "-o", "json").stdout)["nodes"]}
    assert [p["name"] for p in rows["node1"]["pods"]] == ["web"]
    assert rows["node2"]["routes"] == 1 and rows["node2"]["agent"] == {"state": "none"}
    assert cli("pod", *lab, "web", "--delete").returncode == 0


def test_an_agent_that_dies_leaves_its_status(bare, eventually):
    agent = bare.node(1).agent
    agent.start(path="/bin/false")
    eventually(lambda: agent.state, has={"state": "exited", "status": 1})
    assert agent.stop() is None
    assert "=== lab: start" in agent.log
    assert bare.node(1).exec("readlink", f"{ns.OWN_DIR}/bin/kube-router") == "/bin/false\n"
    assert bare.node(1).exec("sh", "-c", "kube-router || echo none") == "none\n"


def test_pods_made_at_the_same_time(bare):
    """Twelve commands at once on one lab: every pod is made, no address is given twice."""
    words = [os.path.join(ROOT, "lab"), "pod", "--name", bare.name]
    running = [
        subprocess.Popen([*words, f"many{i}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for i in range(12)
    ]
    said = [p.communicate() for p in running]
    assert [p.returncode for p in running] == [0] * 12, said
    found = pods.every(bare.state)
    assert len({p.ip for p in found}) == 12
    assert sorted(len(pods.on_node(n.host)) for n in bare.nodes) == [4, 4, 4]
    for pod in found:
        pods.delete(bare.state, pod)


@pytest.fixture
def speaking_nodes(bare):
    """GoBGP in the place of an agent on node1 and, a router away, node3: each originates its pod
    CIDR and knows both peers that the test will make."""
    try:
        for table in need.PEER_PROGRAMS.values():
            need.programs(table)
    except LabError as e:
        pytest.skip(str(e))
    pids = []
    for node in (bare.node(1), bare.node(3)):
        neighbors = [
            {
                "config": {"neighbor-address": ip, "peer-as": asn},
                "ebgp-multihop": {"config": {"enabled": True, "multihop-ttl": 4}},
            }
            for ip, asn in (("192.168.1.201", 65001), ("192.168.1.202", 65002))
        ]
        top = {"config": {"as": plan.ASN, "router-id": node.ip}}
        with open(node.host.path("speaker.json"), "w", encoding="utf-8") as f:
            json.dump({"global": top, "neighbors": neighbors}, f)
        words = ["gobgpd", "--pprof-disable", "-t", "json", "-f", f"{ns.OWN_DIR}/speaker.json"]
        pids.append(ns.spawn(node.host.pid, words, peer.ENV, node.host.path("speaker.log")))
        bare.eventually(node.exec, "gobgp", "global")
        node.exec("gobgp", "global", "rib", "add", node.pod_cidr, "nexthop", node.ip)
    yield
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_peers_speak_with_all_nodes(bare, speaking_nodes):
    """Both kinds, with the configuration that the lab writes, read in one form."""
    bird = bare.peer("birdy", "bird", asn=65001, prefixes=["10.51.0.0/24"])
    gobgp = bare.peer("gob", "gobgp", asn=65002, prefixes=["10.52.0.0/24"])
    far = {"next_hop": "192.168.2.3", "as_path": [plan.ASN], "from": "192.168.2.3", "best": True}
    near = {"next_hop": "192.168.1.1", "as_path": [plan.ASN], "from": "192.168.1.1", "best": True}
    for p in (bird, gobgp):
        bare.eventually(p.routes, has={"172.20.0.0/24": near, "172.20.2.0/24": far}, within=60)
    assert "10.51.0.0/24" not in bird.routes() and "10.52.0.0/24" not in gobgp.routes()
    learned = {"10.51.0.0/24", "10.52.0.0/24"}
    bare.eventually(
        lambda: learned <= set(json.loads(bare.node(1).exec("gobgp", "global", "rib", "-j"))),
    )
    kernel = json.loads(bird.exec("ip", "-j", "route", "show", "172.20.0.0/24"))
    assert kernel[0]["gateway"] == "192.168.1.1"
    assert bare.connect("node1", "10.51.0.1:99").result == "refused"  # it is there
    r = cli("peer", "--name", bare.name, "gob", "routes")
    assert (r.returncode, "172.20.2.0/24" in r.stdout) == (0, True)
    bird.delete()
    gobgp.delete()
    again = bare.peer("birdy", "bird")  # name and address are free at once
    assert again.ip == "192.168.1.201"
    again.delete()


def test_a_peer_with_a_bad_configuration_is_refused_and_taken_back(bare, tmp_path):
    if not _have_bird():
        pytest.skip("no bird")
    config = tmp_path / "bird.conf"
    config.write_text("nonsense\n")
    with pytest.raises(LabError, match="bird ended(.|\n)*syntax error"):
        bare.peer("bad", "bird", config=str(config))
    assert bare.state.facts["peers"] == {}
    assert f"{bare.name}-peer-bad" not in clean.netns_names(bare.state)


def test_down_removes_everything_and_may_be_repeated(lab_factory):
    made = lab_factory(nodes=2, agent=None)
    made.peer("r1", "bird") if _have_bird() else None
    holders, others = clean.processes(made.state)
    assert len(holders) >= 2 and others
    for _ in range(2):
        r = cli("down", "--name", made.name)
        assert (r.returncode, r.stderr) == (0, "")
        assert clean.leftovers(made.state) == []
    for pid in holders + others:
        assert state.start_time(pid) is None


def _have_bird():
    try:
        need.programs(need.PEER_PROGRAMS["bird"])
    except LabError:
        return False
    return True


@pytest.mark.parametrize("lost", ["state", "names", "holder", "infra"])
def test_down_copes_with_what_is_gone(lab_factory, lost):
    made = lab_factory(nodes=2, agent=None)
    host = made.state.nodes[0]
    holders, others = clean.processes(made.state)
    assert len(holders) == 2 and len(others) == 4  # API server, responder, each PID 1's sleep
    if lost == "state":
        os.unlink(os.path.join(made.state.dir, "lab.json"))
    elif lost == "names":
        for name in clean.netns_names(made.state):
            if name != f"{made.name}-infra":
                subprocess.run(["ip", "netns", "del", name], check=True)
    elif lost == "infra":
        subprocess.run(["ip", "netns", "del", f"{made.name}-infra"], check=True)
        os.unlink(os.path.join(made.state.dir, "lab.json"))
    else:
        os.kill(host.pid, signal.SIGKILL)
    labs.down(made.name)
    assert clean.leftovers(made.state) == []
    for pid in holders + others:
        assert state.start_time(pid) is None


def test_two_labs_side_by_side(lab_factory):
    one, two = lab_factory(nodes=1, agent=None), lab_factory(nodes=1, agent=None)
    assert one.node(1).ip == two.node(1).ip
    one.down()
    assert two.node(1).exec("hostname") == "node1\n"
    with pytest.raises(LabError, match="exists already"):
        labs.up(two.name, 1, 1)


def test_a_failed_up_says_why_and_can_be_looked_at(lab_root, tmp_path):
    program = tmp_path / "kube-router"
    program.write_text("#!/bin/sh\necho cannot go on >&2\nexit 3\n")
    program.chmod(0o755)
    name = f"f{os.getpid()}"
    try:
        r = cli("up", "--name", name, "--nodes", "1", "--agent", str(program), "--some-flag")
        assert r.returncode == 1
        assert "node1: agent exited with status 3" in r.stderr and "cannot go on" in r.stderr
        r = cli("agent", "--name", name, "node1", "log")
        assert "--some-flag" in r.stdout and "cannot go on" in r.stdout
    finally:
        assert cli("down", "--name", name).returncode == 0


def test_the_agent_under_test_comes_up(lab):
    """With the agent that was built: three nodes, healthy, in session, routes in place."""
    for node in lab.nodes:
        others = [o for o in lab.nodes if o.name != node.name]
        assert node.healthz() == 200
        assert node.sessions() == sorted(o.ip for o in others)
        want = {o.pod_cidr: {"gateway": o.ip, "dev": "eth0"} for o in others}
        lab.eventually(node.routes, "proto", "17", has=want)
    a, b = lab.pod("a", node=1), lab.pod("b", node=2)
    assert a.connect(b).saw == a.ip
