# SPDX-License-Identifier: Apache-2.0
"""The verbs that change a lab while it is up: nodes, pods, the API server's faults; connect and
probe in all their forms. No agent is needed: where the CNI file must be completed, the tests do."""

import json
import os
import shutil
import socket
import subprocess
import time

import pytest

from lablib import agent, api, clean, connect, infra, ns, plan, pods, portspec, state
from lablib.apiserver.client import ApiError
from lablib.errors import LabError, Usage

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def cli(verb, lab, *words, **how):
    argv = [os.path.join(ROOT, "lab"), verb, "--name", getattr(lab, "name", lab), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, **how)


def give_ranges(node):
    """What an agent does with the CNI file."""
    conf = plan.cni_conflist()
    conf["plugins"][0]["ipam"]["ranges"] = [[{"subnet": c}] for c in node.pod_cidrs]
    node.exec("sh", "-c", f"cat >{ns.CNI_FILE}", text=json.dumps(conf))


def join(nodes):
    """What an agent does with the other nodes' pod CIDRs."""
    for node in nodes:
        give_ranges(node)
        for other in nodes:
            for cidr, ip in zip(other.pod_cidrs, other.ips):
                if other.name != node.name:
                    node.exec("ip", "route", "replace", cidr, "via", ip, "proto", "17")


@pytest.fixture(scope="module")
def bare(module_lab_factory):
    made = module_lab_factory(nodes=2, agent=None)
    join(made.nodes)
    return made


# --- pure parts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, want",
    [
        ("80", ("", 80, "TCP")),
        ("80/udp", ("", 80, "UDP")),
        ("web:80", ("web", 80, "TCP")),
        ("dns:53/UDP", ("dns", 53, "UDP")),
        ("s:9/sctp", ("s", 9, "SCTP")),
    ],
)
def test_ports_are_read(text, want):
    assert portspec.parse(text) == portspec.Port(*want)


@pytest.mark.parametrize(
    "text", ["", "x", "0", "65536", "80/ICMP", "Web:80", "a:b:80", ":80", "-:8"]
)
def test_bad_port_specs_are_refused(text):
    with pytest.raises(Usage, match="--port"):
        portspec.parse(text)


def test_a_number_is_two_protocols():
    assert [str(p) for p in portspec.expand([80, portspec.Port("d", 53, "UDP")])] == [
        "80/TCP", "80/UDP", "53/UDP"]


@pytest.mark.parametrize("name", ["node0", "node201", "nodeX", "web", "node01"])
def test_names_that_are_no_nodes_are_refused(name):
    with pytest.raises(LabError, match="node name"):
        plan.node_number(name)


def test_the_lab_leaves_a_flag_to_the_agents_arguments():
    args = ["--service-cluster-ip-range=10.1.0.0/16", "--run-firewall", "-v=3"]
    flags = agent.own_args((4,), args)
    assert [a for a in flags if a.partition("=")[0] in ("--run-firewall", "-v")] == []
    assert not any(a.startswith("--service-cluster-ip-range") for a in flags)
    assert "--run-router=true" in flags
    both = agent.own_args((4, 6), [])
    assert "--enable-ipv4=true" in both and "--enable-ipv6=true" in both
    assert [a for a in both if "service" in a and "ip-range" in a] == [
        "--service-cluster-ip-range=10.68.0.0/16", "--service-cluster-ip-range=fd00:10:68::/112"]
    assert "--router-id=generate" in agent.own_args((6,), [])


@pytest.mark.parametrize(
    "verb, words, said",
    [
        ("pod", ["x", "--port", "80/ICMP"], "--port '80/ICMP'"),
        ("pod", ["x", "--port", "80", "a:80/tcp"], "twice"),
        ("pod", ["x", "--delete", "--node", "node1"], "not for a new one"),
        ("pod", ["x", "--delete", "--ready", "true"], "--delete excludes"),
        ("pod", ["x", "--label", "a"], "--label 'a'"),
        ("node", ["add", "node9", "--ip", "1.2.3.4"], "are for readdress"),
        ("node", ["remove", "node9", "--subnet", "1"], "--subnet is for add"),
        ("api", ["delay"], "want: api delay MS"),
        ("api", ["delay", "x"], "want a whole number"),
        ("api", ["drop", "x"], "want: api drop"),
        ("api", ["explode"], "invalid choice"),
    ],
)
def test_bad_command_lines_exit_2(lab_root, verb, words, said):
    r = cli(verb, "nosuchlab", *words)
    assert (r.returncode, said in r.stderr) == (2, True), r.stderr


# --- nodes ----------------------------------------------------------------------------------


def test_a_node_comes_and_goes(bare):
    r = cli("node", bare, "add", "node7")
    assert (r.returncode, r.stdout) == (0, "node7 192.168.1.7 172.20.6.0/24\n"), r.stderr
    bare.state = state.Lab.load(bare.name)
    node = bare.node("node7")
    assert api.get(bare.state, "nodes", "node7")["spec"]["podCIDR"] == "172.20.6.0/24"
    assert bare.connect("node1", "node7").saw == "192.168.1.1"
    assert node.exec("cat", f"{ns.OWN_DIR}/kubeconfig")
    give_ranges(node)
    bare.pod("onseven", node="node7")
    assert "exists already" in cli("node", bare, "add", "node7").stderr
    r = cli("node", bare, "remove", "node7")
    assert (r.returncode, r.stderr) == (0, "")
    bare.state = state.Lab.load(bare.name)
    assert [n.name for n in bare.nodes] == ["node1", "node2"]
    for kind, name in (("nodes", "node7"), ("pods", "onseven")):
        with pytest.raises(LabError, match="not found"):
            api.get(bare.state, kind, name)
    assert f"{bare.name}-node7" not in clean.netns_names(bare.state)
    assert not os.path.exists(os.path.join(bare.state.dir, "node7"))
    assert state.start_time(node.host.pid) is None
    assert "has no node" in cli("node", bare, "remove", "node7").stderr


def test_a_node_moves(lab_factory):
    made = lab_factory(nodes=2, agent=None)
    r = cli("node", made, "readdress", "node2")
    assert (r.returncode, r.stdout) == (0, "node2 192.168.1.200 172.20.1.0/24\n"), r.stderr
    made.state = state.Lab.load(made.name)
    addresses = api.get(made.state, "nodes", "node2")["status"]["addresses"]
    assert {"type": "InternalIP", "address": "192.168.1.200"} in addresses
    assert {"type": "InternalIP", "address": "192.168.1.2"} not in addresses
    assert made.connect("node2", "node1").saw == "192.168.1.200"
    assert made.connect("node1", "192.168.1.2:8099", timeout=0.3).result != "ok"
    assert made.connect("node2", "192.168.1.254:80").result == "ok"  # its default route is there
    uid = api.get(made.state, "nodes", "node2")["metadata"]["uid"]
    made.api.patch("nodes", "node2", {"metadata": {"annotations": {"a/b": "c"}}})
    r = cli("node", made, "readdress", "node2", "--pod-cidr", "172.20.99.0/24")
    assert r.stdout == "node2 192.168.1.200 172.20.99.0/24\n", r.stderr
    anew = api.get(made.state, "nodes", "node2")
    assert anew["spec"]["podCIDRs"] == ["172.20.99.0/24"] and anew["metadata"]["uid"] != uid
    assert anew["metadata"]["annotations"] == {"a/b": "c"}
    for words, said in (
        (["--ip", "192.168.1.1"], "belongs to node1"),
        (["--ip", "192.168.2.9"], "want 192.168.1.N"),
        (["--ip", "192.168.1.250"], "want 192.168.1.N"),
        (["--pod-cidr", "172.20.0.0/16"], "overlaps 172.20.0.0/24 of node1"),
        (["--pod-cidr", "x"], "--pod-cidr x"),
        (["--pod-cidr", "fd00::/64"], "no IPv6"),
    ):
        r = cli("node", made, "readdress", "node2", *words)
        assert (r.returncode, said in r.stderr) == (1, True), r.stderr
    assert state.Lab.load(made.name).node("node2").ip == "192.168.1.200"


def test_a_node_loses_its_cable(bare):
    assert bare.connect("node1", "node2").result == "ok"
    assert cli("node", bare, "unplug", "node2").returncode == 0
    assert bare.connect("node1", "node2", timeout=0.3).result != "ok"
    assert cli("node", bare, "plug", "node2").returncode == 0
    bare.eventually(lambda: bare.connect("node1", "node2", timeout=0.5).result == "ok")


# --- pods and questions ---------------------------------------------------------------------


def test_ports_with_names_and_protocols(bare):
    r = cli("pod", bare, "named", "--node", "node1", "--port", "web:81/TCP", "dns:53/udp",
            "--port", "82")
    assert r.returncode == 0, r.stderr
    (container,) = api.get(bare.state, "pods", "named")["spec"]["containers"]
    assert container["ports"] == [
        {"name": "web", "containerPort": 81, "protocol": "TCP"},
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        {"containerPort": 82, "protocol": "TCP"},
    ]
    for proto, port, want in (
        ("tcp", 81, "ok"), ("udp", 81, "refused"), ("udp", 53, "ok"), ("tcp", 53, "refused"),
        ("tcp", 82, "ok"), ("tcp", 80, "refused"),
    ):
        assert bare.connect("node2", f"named:{port}", proto=proto).result == want, (proto, port)
    pods.delete(bare.state, pods.find(bare.state, "named"))


def test_labels_and_readiness_change(bare):
    pod = bare.pod("changing", node=1, labels={"app": "a", "old": "1"})
    assert cli("pod", bare, "changing", "--label", "app=b,new=2,old-").returncode == 0
    found = api.get(bare.state, "pods", "changing")
    assert found["metadata"]["labels"] == {"app": "b", "new": "2"}

    def conditions():
        status = api.get(bare.state, "pods", "changing")["status"]
        return {c["type"]: c["status"] for c in status["conditions"]}, status

    assert cli("pod", bare, "changing", "--ready", "false").returncode == 0
    now, status = conditions()
    assert (now["Ready"], now["ContainersReady"], now["Initialized"]) == ("False", "False", "True")
    assert (status["phase"], status["podIP"]) == ("Running", pod.ip)
    assert status["containerStatuses"][0]["ready"] is False
    assert cli("pod", bare, "changing", "--ready", "true").returncode == 0
    assert conditions()[0]["Ready"] == "True"
    assert "there is no pod" in cli("pod", bare, "other", "--ready", "true").stderr
    pod.delete()


def test_a_pod_on_the_host_network(bare):
    r = cli("pod", bare, "onhost", "--node", "node1", "--host-network", "--port", "m:9100")
    assert r.stdout == "default/onhost node1 192.168.1.1\n", r.stderr
    found = api.get(bare.state, "pods", "onhost")
    assert found["spec"]["hostNetwork"] is True
    assert found["status"]["podIPs"] == [{"ip": "192.168.1.1"}]
    assert bare.connect("node2", "onhost:9100").who == "onhost"
    assert bare.connect("onhost", "node2").saw == "192.168.1.1"
    assert cli("exec", bare, "onhost", "--", "hostname").stdout == "node1\n"
    assert cli("pod", bare, "onhost", "--delete").returncode == 0
    assert bare.connect("node2", "192.168.1.1:9100").result == "refused"
    assert bare.node(1).exec("hostname") == "node1\n"  # nothing but the pod's program was ended


def test_sctp_is_unsupported_or_works(bare):
    if portspec.sctp_works():
        pod = bare.pod("sctp", node=1, ports=["s:90/SCTP"])
        assert bare.connect("node2", "sctp:90", proto="sctp").who == "sctp"
        pod.delete()
        return
    r = cli("connect", bare, "node1", "node2", "--proto", "sctp")
    assert (r.returncode, r.stdout) == (1, "unsupported\n")
    r = cli("pod", bare, "sctp", "--port", "s:90/SCTP")
    assert (r.returncode, "unsupported" in r.stderr) == (1, True)
    assert pods.find(bare.state, "sctp") is None


def test_the_outside_asks_and_answers(bare):
    bare.node(1).exec("true")
    r = cli("connect", bare, "outside", "node1")
    assert (r.returncode, r.stdout) == (0, "ok 192.168.1.254\n"), r.stderr
    assert bare.connect("node2", "outside").saw == "192.168.1.2"


def test_datagrams_are_answered_from_the_address_that_was_asked(bare):
    """A node with a virtual address: the answer must not come from its own."""
    bare.node(1).exec("ip", "addr", "add", "10.99.0.1/32", "dev", "lo")
    bare.node(2).exec("ip", "route", "add", "10.99.0.1", "via", "192.168.1.1")
    bare.connect("node2", "node1")  # starts the responder
    answer = bare.connect("node2", f"10.99.0.1:{connect.NODE_PORT}", proto="udp", timeout=1)
    assert (answer.result, answer.saw) == ("ok", "192.168.1.2")
    with infra.inside(connect.source_netns(bare.state, "node2", None)):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(2)
        s.connect(("10.99.0.1", connect.NODE_PORT))
        s.send(b"number 7 and more than the responder repeats\n")
        assert json.loads(s.recv(2048))["asked"] == "number 7 and more than the respo"
    bare.node(1).exec("ip", "addr", "del", "10.99.0.1/32", "dev", "lo")


def test_services_are_asked_by_name(bare):
    """No proxy here: a node answers under the service's address by itself."""
    bare.api.apply({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc1"},
        "spec": {"clusterIP": "10.68.7.7", "ports": [
            {"name": "u", "port": 8001, "protocol": "UDP"}, {"name": "t", "port": 8099}]},
    })
    bare.node(1).exec("ip", "addr", "add", "10.68.7.7/32", "dev", "lo")
    bare.node(2).exec("ip", "route", "add", "10.68.7.7", "via", "192.168.1.1")
    bare.connect("node2", "node1")
    for to in ("svc1", "svc1.svc", "default/svc1", "svc1:8099"):
        assert bare.connect("node2", to).who == "node1", to
    assert bare.connect("node2", "svc1", proto="udp").result == "refused"  # port 8001
    assert bare.connect("node2", "svc1:8099", proto="udp").result == "ok"
    bare.api.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "head"},
                    "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})
    for to, said in (("head", "no cluster IP"), ("nosuch", "no pod of 'default', node")):
        with pytest.raises(LabError, match=said):
            bare.connect("node2", to)
    bare.node(1).exec("ip", "addr", "del", "10.68.7.7/32", "dev", "lo")
    bare.node(2).exec("ip", "route", "del", "10.68.7.7")


# --- the API server on request --------------------------------------------------------------


def test_the_api_server_misbehaves(bare):
    """Each fault as a client on a node meets it."""
    def version():
        with open(os.path.join(bare.state.dir, "api", "ca.crt"), encoding="ascii") as f:
            ca = f.read()
        code = ("import ssl,urllib.request as u;"
                "c=ssl.create_default_context(cafile='/dev/stdin');"
                f"print(u.urlopen('{plan.api_url()}/version',context=c,timeout=5).status)")
        r = ns.run(bare.node(1).host.pid, ["/usr/bin/python3", "-c", code], ca)
        return r.stdout.strip() or r.stderr.strip().splitlines()[-1]

    assert version() == "200"
    r = cli("api", bare, "down")
    assert (r.returncode, json.loads(r.stdout)["down"]) == (0, True), r.stderr
    assert "refused" in version()
    assert cli("get", bare, "nodes").returncode == 0, "the lab itself still reaches it"
    assert cli("api", bare, "up").returncode == 0
    assert version() == "200"
    assert cli("api", bare, "delay", "700").returncode == 0
    begun = time.monotonic()
    assert version() == "200" and time.monotonic() - begun >= 0.7
    assert json.loads(cli("api", bare, "delay", "0").stdout)["delayMs"] == 0
    r = cli("api", bare, "malformed", "po", "2")
    assert json.loads(r.stdout)["malformed"] == {"pods": 2}
    cli("api", bare, "malformed", "pods", "0")
    before = api.stats(bare.state)["resourceVersion"]
    for mode in ("410", "compact"):
        bare.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{mode}"}})
        assert cli("api", bare, mode).returncode == 0
        with pytest.raises(ApiError) as e:
            bare.api.request("GET", f"/api/v1/configmaps?resourceVersion={before}"
                                    "&resourceVersionMatch=Exact")
        assert e.value.status == 410
    assert "unknown kind" in cli("api", bare, "malformed", "unicorn").stderr
    assert "resourceVersion" in json.loads(cli("api", bare, "stats").stdout)


# --- probe ----------------------------------------------------------------------------------


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_probe_counts(bare, proto):
    assert bare.connect("node1", "node2", proto=proto).result == "ok"
    t = bare.probe("node1", "node2", rate=100, seconds=0.5, proto=proto)
    assert (t.sent, t.ok, t.refused, t.timeout) == (50, 50, 0, 0)
    assert 5 <= t.longest_gap_ms < 300
    t = bare.probe("node1", "node2:81", rate=100, seconds=0.2, proto=proto)
    assert (t.sent, t.ok, t.refused + t.timeout) == (20, 0, 20)
    assert t.refused == 20 if proto == "tcp" else t.refused >= 1  # the kernel limits its ICMP
    assert t.longest_gap_ms >= 190
    t = bare.probe("node1", "10.123.0.1:80", rate=50, seconds=0.2, proto=proto, timeout=0.2)
    assert t.ok == 0 and t.refused + t.timeout == t.sent == 10


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_probe_measures_an_outage(bare, proto):
    """The cable is out for a while in the middle of the run."""
    bare.connect("node1", "node2")
    words = ["node1", "node2", "--rate", "200", "--for", "2", "--proto", proto, "--timeout", "0.2",
             "-o", "json"]
    argv = [os.path.join(ROOT, "lab"), "probe", "--name", bare.name, *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as p:
        time.sleep(0.8)
        begun = time.monotonic()
        infra.set_cable(bare.state, bare.node(2).host, False)
        time.sleep(0.4)
        infra.set_cable(bare.state, bare.node(2).host, True)
        lasted_ms = (time.monotonic() - begun) * 1000
        out = json.loads(p.communicate()[0])
    assert p.returncode == 0
    assert out["sent"] == 400 == out["ok"] + out["refused"] + out["timeout"]
    assert out["timeout"] + out["refused"] >= 40
    assert 350 <= out["longest_gap_ms"] <= lasted_ms + 1500, (out, lasted_ms)


def test_probe_refuses_nonsense(bare):
    for words, said in ((["--rate", "0"], "--rate 0"), (["--rate", "5000"], "--rate 5000"),
                        (["--for", "0"], "--for 0")):
        r = cli("probe", bare, "node1", "node2", *words)
        assert (r.returncode, said in r.stderr) == (1, True), r.stderr
    r = cli("probe", bare, "node1", "node2", "--rate", "20", "--for", "0.2")
    assert (r.returncode, "sent=4 ok=4" in r.stdout) == (0, True), r.stderr


# --- kubectl --------------------------------------------------------------------------------

NEED_KUBECTL = pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl "
                                  "(package kubernetes-client)")


def test_kubectl_missing_is_named_with_its_package(bare):
    env = dict(os.environ, PATH="/nonexistent")
    r = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "lab"), "kubectl", "--name",
                        bare.name, "version"], capture_output=True, text=True, check=False, env=env)
    assert (r.returncode, "package kubernetes-client" in r.stderr) == (1, True), r.stderr


@NEED_KUBECTL
def test_kubectl_works_unmodified(bare):
    def k(*words, **how):
        r = cli("kubectl", bare, *words, **how)
        assert r.returncode == 0, (words, r.stdout, r.stderr)
        return r.stdout

    assert k("get", "nodes", "-o", "name").split() == ["node/node1", "node/node2"]
    assert "kubernetes" in k("get", "svc,endpointslices,netpol", "-A")
    doc = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
           "metadata": {"name": "deny", "namespace": "default"},
           "spec": {"podSelector": {"matchLabels": {"app": "x"}}}}
    assert "created" in k("create", "-f", "-", input=json.dumps(doc))
    doc["spec"]["policyTypes"] = ["Ingress", "Egress"]
    assert "configured" in k("apply", "-f", "-", input=json.dumps(doc))
    found = api.get(bare.state, "netpol", "deny")
    assert found["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "unchanged" in k("apply", "-f", "-", input=json.dumps(doc))
    k("label", "netpol", "deny", "a=b")
    k("annotate", "node", "node1", "x/y=z")
    k("patch", "netpol", "deny", "--type=merge", "-p", '{"metadata":{"labels":{"c":"d"}}}')
    k("patch", "node", "node1", "-p", '{"metadata":{"labels":{"zone":"a"}}}')
    assert api.get(bare.state, "netpol", "deny")["metadata"]["labels"] == {"a": "b", "c": "d"}
    node = api.get(bare.state, "nodes", "node1")["metadata"]
    assert (node["annotations"]["x/y"], node["labels"]["zone"]) == ("z", "a")
    assert "deny" in k("get", "netpol", "-l", "a=b")
    assert "deny" in k("describe", "netpol", "deny")
    assert "deleted" in k("delete", "netpol", "deny")
    k("create", "namespace", "kubens")
    k("delete", "namespace", "kubens")
    r = cli("kubectl", bare, "get", "pod", "nosuch")
    assert (r.returncode, "NotFound" in r.stderr) == (1, True)
