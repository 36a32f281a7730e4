# SPDX-License-Identifier: Apache-2.0
"""What the API server does by itself, as a cluster's controllers do: numbers for services,
endpoints from pods, CIDRs for nodes."""

import ipaddress
import json
import sys
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parent
sys.path.insert(0, str(LAB))

from lablib.apiserver.client import ApiError  # noqa: E402
from lablib.apiserver.controllers import nodecidr, slices  # noqa: E402
from lablib.apiserver.services import Pool  # noqa: E402
from lablib.apiserver.testing import (  # noqa: E402
    RunningServer, dig, fields, opened, pb_name, take_frames)
from lablib.testlab import eventually  # noqa: E402

PB = "application/vnd.kubernetes.protobuf"
FOUR = ("--service-range", "10.68.0.0/16", "--pod-range", "172.20.0.0/16")
SIX = ("--service-range", "fd00:10:68::/112", "--pod-range", "fd00:172:20::/48")


@pytest.fixture
def start(tmp_path):
    running = []

    def run(*args, name="state"):
        running.append(RunningServer(tmp_path / name, *args))
        return running[-1]

    yield run
    for server in running:
        server.stop()


@pytest.fixture
def api(start):
    return start(*FOUR).client


def service(name, selector=None, **spec):
    spec.setdefault("ports", [{"port": 80}])
    if selector is not None:
        spec["selector"] = selector
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def pod(n, labels, ready=True, node="node1", ports=(), ips=None, **status):
    conditions = [{"type": "Ready", "status": str(bool(ready))}]
    ips = ips or [f"172.20.{n // 250}.{n % 250 + 2}"]
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{n}", "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": "c", "ports": list(ports)}]},
        "status": dict({"phase": "Running", "podIP": ips[0], "podIPs": [{"ip": i} for i in ips],
                        "conditions": conditions}, **status),
    }


def refusal(call, *args):
    with pytest.raises(ApiError) as e:
        call(*args)
    return e.value.status, e.value.message


def slices_of(api, name):
    return api.list("endpointslices", "default", labels=f"kubernetes.io/service-name={name}")


def states(api, name):
    """{address: (ready, serving, terminating)} over all slices of a service."""
    return {
        e["addresses"][0]: tuple(e["conditions"][c] for c in ("ready", "serving", "terminating"))
        for s in slices_of(api, name) for e in s.get("endpoints") or []
    }


# --- the cluster as it begins ---------------------------------------------------------------


def test_the_api_has_a_service(start):
    server = start(*FOUR)
    found = server.client.get("svc", "kubernetes")["spec"]
    assert (found["clusterIP"], found["clusterIPs"]) == ("10.68.0.1", ["10.68.0.1"])
    assert (found["ipFamilies"], found["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    assert found["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] == 10800
    assert found["ports"] == [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443}]
    (one,) = slices_of(server.client, "kubernetes")
    assert one["ports"] == [{"name": "https", "port": server.port, "protocol": "TCP"}]
    assert one["endpoints"] == [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}]
    (subset,) = server.client.get("endpoints", "kubernetes")["subsets"]
    assert subset["addresses"] == [{"ip": "127.0.0.1"}]
    status, listing = server.h2().get("/api/v1/services?resourceVersion=0")
    assert status == 200 and [i["metadata"]["name"] for i in listing["items"]] == ["kubernetes"]
    for name in ("default", "kube-system"):
        labels = server.client.get("ns", name)["metadata"]["labels"]
        assert labels == {"kubernetes.io/metadata.name": name}


# --- numbers --------------------------------------------------------------------------------


def test_a_pool_rises_wraps_and_ends():
    pool = Pool(5, 7)
    out = []
    for _ in range(3):
        out.append(pool.pick())
        pool.used[out[-1]] = "k"
    assert out == [5, 6, 7] and pool.pick() is None
    del pool.used[6]
    assert pool.pick() == 6


def test_cluster_ips(api):
    a = api.create(service("a"))["spec"]
    b = api.create(service("b"))["spec"]
    assert [a["clusterIP"], b["clusterIP"]] == ["10.68.0.2", "10.68.0.3"]
    assert a["clusterIPs"] == ["10.68.0.2"] and a["type"] == "ClusterIP"
    c = api.create(service("c", clusterIP="10.68.0.4"))["spec"]
    assert c["clusterIPs"] == ["10.68.0.4"]
    assert api.create(service("d"))["spec"]["clusterIP"] == "10.68.0.5"
    assert api.create(service("h", clusterIP="None"))["spec"]["clusterIPs"] == ["None"]
    x = api.create(service("x", type="ExternalName", externalName="e.example", ports=[]))["spec"]
    assert not x.get("clusterIP")
    for spec, said in (
        ({"clusterIP": "10.68.0.4"}, "already allocated"),
        ({"clusterIP": "10.69.0.4"}, "not in the valid range 10.68.0.0/16"),
        ({"clusterIP": "10.68.0.0"}, "not in the valid range"),
        ({"clusterIP": "x"}, "valid IP address"),
        ({"clusterIP": "fd00::1"}, "not configured"),
        ({"ipFamilyPolicy": "RequireDualStack"}, "not configured for dual-stack"),
        ({"ipFamilies": ["IPv6"]}, "not configured"),
    ):
        status, message = refusal(api.create, service("bad", **spec))
        assert (status, said in message) == (422, True), message
    changed = api.apply(service("a", ports=[{"port": 81}]))["spec"]
    assert (changed["clusterIP"], changed["ports"][0]["port"]) == ("10.68.0.2", 81)
    status, message = refusal(api.apply, service("a", clusterIP="10.68.0.99"))
    assert (status, "may not change" in message) == (422, True)
    api.delete("svc", "c")
    assert api.create(service("again", clusterIP="10.68.0.4"))["spec"]["clusterIP"] == "10.68.0.4"
    api.request("POST", "/api/v1/namespaces/default/services?dryRun=All", service("dry",
                clusterIP="10.68.0.77"))
    assert api.create(service("wet", clusterIP="10.68.0.77"))["metadata"]["name"] == "wet"


def test_a_full_range_refuses(start):
    api = start("--service-range", "10.68.0.0/29").client  # .1 is taken, .2 to .6 are free
    given = [api.create(service(f"s{i}"))["spec"]["clusterIP"] for i in range(5)]
    assert given == [f"10.68.0.{i}" for i in range(2, 7)]
    assert refusal(api.create, service("s5"))[0] == 500
    api.delete("svc", "s2")
    assert api.create(service("s5"))["spec"]["clusterIP"] == "10.68.0.4"


def test_node_ports(api):
    rows = [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]
    a = api.create(service("a", type="NodePort", ports=rows))["spec"]
    assert [p["nodePort"] for p in a["ports"]] == [30000, 30000]
    assert a["externalTrafficPolicy"] == "Cluster"
    b = api.create(service("b", type="NodePort", ports=[{"port": 1, "nodePort": 31000}]))["spec"]
    assert b["ports"][0]["nodePort"] == 31000
    for ports, said in (
        ([{"port": 1, "nodePort": 31000}], "already allocated"),
        ([{"port": 1, "nodePort": 29999}], "valid range"),
    ):
        status, message = refusal(api.create, service("bad", type="NodePort", ports=ports))
        assert (status, said in message) == (422, True), message
    assert "Forbidden" in refusal(api.create, service("bad", ports=[
        {"port": 1, "nodePort": 31001}]))[1]
    lb = api.create(service("lb", type="LoadBalancer", externalTrafficPolicy="Local"))["spec"]
    assert lb["ports"][0]["nodePort"] == 30001 and lb["healthCheckNodePort"] == 30002
    kept = api.apply(service("lb", type="LoadBalancer", externalTrafficPolicy="Local"))["spec"]
    assert (kept["ports"][0]["nodePort"], kept["healthCheckNodePort"]) == (30001, 30002)
    none = api.create(service("none", type="LoadBalancer", allocateLoadBalancerNodePorts=False))
    assert not none["spec"]["ports"][0].get("nodePort")
    plain = api.patch("svc", "lb", {"spec": {"type": "ClusterIP", "externalTrafficPolicy": None}})
    assert "nodePort" not in plain["spec"]["ports"][0]
    assert "healthCheckNodePort" not in plain["spec"]
    assert plain["spec"]["clusterIP"] == lb["clusterIP"]


def test_both_families(start):
    api = start(*FOUR, *SIX).client
    assert api.get("svc", "kubernetes")["spec"]["clusterIPs"] == ["10.68.0.1"]
    one = api.create(service("one"))["spec"]
    assert (one["ipFamilies"], one["clusterIPs"]) == (["IPv4"], ["10.68.0.2"])
    both = api.create(service("both", ipFamilyPolicy="PreferDualStack"))["spec"]
    assert both["ipFamilies"] == ["IPv4", "IPv6"]
    assert both["clusterIPs"] == ["10.68.0.3", "fd00:10:68::1"]
    six = api.create(service("six", ipFamilies=["IPv6"]))["spec"]
    assert six["clusterIPs"] == ["fd00:10:68::2"] and six["clusterIP"] == "fd00:10:68::2"
    given = api.create(service("given", clusterIPs=["fd00:10:68::9", "10.68.0.9"],
                               clusterIP="fd00:10:68::9"))["spec"]
    assert (given["ipFamilies"], given["ipFamilyPolicy"]) == (["IPv6", "IPv4"], "RequireDualStack")
    grown = api.patch("svc", "one", {"spec": {"ipFamilyPolicy": "RequireDualStack"}})["spec"]
    assert grown["clusterIPs"][0] == "10.68.0.2" and ":" in grown["clusterIPs"][1]


# --- endpoints ------------------------------------------------------------------------------


def test_endpoints_follow_pods(api):
    api.create(service("web", {"app": "web"}, ports=[
        {"name": "http", "port": 80, "targetPort": "web"}, {"name": "n", "port": 81}]))
    eventually(lambda: slices_of(api, "web"))
    (empty,) = slices_of(api, "web")
    assert (empty["endpoints"], empty["ports"]) == (None, None)
    web = [{"name": "web", "containerPort": 8080}]
    for n, ready in ((1, True), (2, False)):
        api.create(pod(n, {"app": "web"}, ready, ports=web))
    api.create(pod(3, {"app": "other"}, ports=web))
    yes, no = (True, True, False), (False, False, False)
    eventually(lambda: states(api, "web") == {"172.20.0.3": yes, "172.20.0.4": no})
    (one,) = slices_of(api, "web")
    meta = one["metadata"]
    assert meta["name"].startswith("web-") and meta["labels"] == {
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    assert meta["ownerReferences"][0]["uid"] == api.get("svc", "web")["metadata"]["uid"]
    assert one["addressType"] == "IPv4" and one["ports"] == [
        {"name": "http", "protocol": "TCP", "port": 8080},
        {"name": "n", "protocol": "TCP", "port": 81}]
    first = one["endpoints"][0]
    assert first["nodeName"] == "node1" and first["targetRef"] == {
        "kind": "Pod", "namespace": "default", "name": "p1",
        "uid": api.get("pod", "p1")["metadata"]["uid"]}
    (subset,) = api.get("ep", "web")["subsets"]
    assert [a["ip"] for a in subset["addresses"]] == ["172.20.0.3"]
    assert [a["ip"] for a in subset["notReadyAddresses"]] == ["172.20.0.4"]
    api.patch("pod", "p2", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
              subresource="status")
    eventually(lambda: states(api, "web")["172.20.0.4"] == yes)
    api.patch("pod", "p3", {"metadata": {"labels": {"app": "web"}}})
    api.patch("pod", "p1", {"metadata": {"labels": {"app": None}}})
    eventually(lambda: set(states(api, "web")) == {"172.20.0.4", "172.20.0.5"})
    api.delete("pod", "p2", grace_s=30)  # a kubelet would stop it now
    eventually(lambda: states(api, "web")["172.20.0.4"] == (False, True, True))
    assert [a["ip"] for a in api.get("ep", "web")["subsets"][0]["addresses"]] == ["172.20.0.5"]
    api.delete("pod", "p2", grace_s=0)
    eventually(lambda: set(states(api, "web")) == {"172.20.0.5"})
    api.patch("pod", "p3", {"status": {"phase": "Succeeded"}}, subresource="status")
    eventually(lambda: states(api, "web") == {})
    assert len(slices_of(api, "web")) == 1, "an empty one stays"
    api.delete("svc", "web")
    eventually(lambda: not slices_of(api, "web"))
    assert refusal(api.get, "ep", "web")[0] == 404


def test_publish_not_ready_addresses(api):
    api.create(service("all", {"app": "a"}, clusterIP="None", publishNotReadyAddresses=True))
    api.create(pod(1, {"app": "a"}, ready=False))
    eventually(lambda: states(api, "all") == {"172.20.0.3": (True, False, False)})
    assert slices_of(api, "all")[0]["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    eventually(lambda: api.get("ep", "all")["subsets"], has=[{"addresses": [{"ip": "172.20.0.3"}]}])


def test_slices_are_split_at_100_and_stay_stable(api):
    for n in range(250):
        api.create(pod(n, {"app": "big"}))
    api.create(service("big", {"app": "big"}))
    eventually(lambda: len(states(api, "big")) == 250)
    before = {s["metadata"]["name"]: s for s in slices_of(api, "big")}
    assert sorted(len(s["endpoints"]) for s in before.values()) == [50, 100, 100]
    api.delete("pod", "p7")
    eventually(lambda: len(states(api, "big")) == 249)
    after = {s["metadata"]["name"]: s for s in slices_of(api, "big")}
    changed = [n for n in before if before[n]["metadata"]["resourceVersion"]
               != after[n]["metadata"]["resourceVersion"]]
    assert set(after) == set(before) and len(changed) == 1, "one endpoint, one slice"
    assert len(api.get("ep", "big")["subsets"][0]["addresses"]) == 249


def test_endpoints_of_both_families_and_of_different_ports(start):
    api = start(*FOUR, *SIX).client
    api.create(service("web", {"app": "web"}, ipFamilyPolicy="PreferDualStack",
                       ports=[{"port": 80, "targetPort": "web"}]))
    for n, number in ((1, 8080), (2, 8081)):
        api.create(pod(n, {"app": "web"}, ports=[{"name": "web", "containerPort": number}],
                       ips=[f"172.20.0.{n}", f"fd00:172:20:0::{n}"]))
    eventually(lambda: len(states(api, "web")) == 4)
    found = {(s["addressType"], s["ports"][0]["port"]): s["endpoints"][0]["addresses"]
             for s in slices_of(api, "web") if s["endpoints"]}
    assert found == {
        ("IPv4", 8080): ["172.20.0.1"], ("IPv4", 8081): ["172.20.0.2"],
        ("IPv6", 8080): ["fd00:172:20:0::1"], ("IPv6", 8081): ["fd00:172:20:0::2"]}


def test_slices_of_others_are_left_alone(api):
    api.create(service("own"))  # without a selector
    mine = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "mine", "labels": {"kubernetes.io/service-name": "own"}},
            "addressType": "IPv4", "ports": [{"port": 80}],
            "endpoints": [{"addresses": ["192.0.2.1"]}]}
    api.create(mine)
    api.patch("svc", "own", {"metadata": {"labels": {"a": "b"}}})
    api.create(service("marker", {"x": "y"}))
    eventually(lambda: slices_of(api, "marker"))  # the controller has been here
    assert [s["metadata"]["name"] for s in slices_of(api, "own")] == ["mine"]
    (made,) = slices_of(api, "marker")
    api.delete("endpointslices", made["metadata"]["name"])
    eventually(lambda: [s for s in slices_of(api, "marker") if s["metadata"]["uid"]
                        != made["metadata"]["uid"]])


def test_a_plan_for_what_is_there_is_empty():
    svc = service("s", {"a": "b"})
    svc["metadata"].update(namespace="default", uid="u")
    svc["spec"]["ports"][0]["protocol"] = "TCP"
    pods_ = [pod(n, {"a": "b"}) for n in range(150)]
    for p in pods_:
        p["metadata"].update(uid=p["metadata"]["name"], namespace="default")
    new, changed, gone = slices.plan(svc, pods_, [])
    assert [len(s["endpoints"]) for s in new] == [100, 50] and not changed and not gone
    assert slices.plan(svc, pods_, new) == ([], [], [])
    new, changed, gone = slices.plan(svc, [], new)
    assert (len(changed), len(gone)) == (0, 2)
    assert [(s["endpoints"], s["ports"]) for s in new] == [([], [])], "without pods, without ports"
    assert slices.plan(svc, [], new) == ([], [], [])


def test_a_real_client_reads_it_as_protobuf(start):
    server = start(*FOUR)
    api, c = server.client, server.h2()
    w = c.open("/apis/discovery.k8s.io/v1/endpointslices?watch=true&sendInitialEvents=true"
               "&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
               accept=f"{PB},application/json")
    frames = c.pb_events(w, 2)
    assert [f[0] for f in frames] == ["ADDED", "BOOKMARK"] and pb_name(frames[0][2]) == "kubernetes"
    api.create(service("web", {"app": "web"}))
    (type_, kind, message), = c.pb_events(w, 1)
    assert (type_, kind, fields(message).get(2)) == ("ADDED", "EndpointSlice", None)
    api.create(pod(1, {"app": "web"}))
    api.patch("pod", "p1", {"metadata": {"annotations": {"no": "matter"}}})
    stream = c.streams[w]
    c.until(lambda: len(take_frames(stream.data)[0]) >= 2, "the full slice for the empty one")
    frames = {f[0]: f[2] for f in take_frames(stream.data)[0]}
    assert sorted(frames) == ["ADDED", "DELETED"] and dig(frames["DELETED"], 2) is None
    endpoint = dig(frames["ADDED"], 2)
    assert (dig(endpoint, 1), dig(endpoint, 2, 1), dig(endpoint, 2, 2)) == (b"172.20.0.3", 1, 1)
    s = c.call("/api/v1/services?resourceVersion=0", accept=PB)
    kind, listing = opened(s.data)
    assert (kind, len(fields(listing)[2])) == ("ServiceList", 2)


# --- nodes, leases, events ------------------------------------------------------------------


@pytest.mark.parametrize(
    "used, want",
    [
        ([], "172.20.0.0/24"),
        (["172.20.0.0/24", "nonsense", "10.0.0.0/8"], "172.20.1.0/24"),
        (["172.20.0.0/23"], "172.20.2.0/24"),
        (["172.20.0.7/32"], "172.20.1.0/24"),
        (["172.16.0.0/12"], None),
    ],
)
def test_free_subnets(used, want):
    assert nodecidr.free_subnet(ipaddress.ip_network("172.20.0.0/16"), used) == want


def test_nodes_get_their_cidrs(start):
    api = start(*FOUR, *SIX).client
    own = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "own"},
           "spec": {"podCIDR": "172.20.0.0/24", "podCIDRs": ["172.20.0.0/24"]}}
    api.create(own)
    for name in ("a", "b"):
        api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    eventually(api.get, "node", "b", has={"spec": {
        "podCIDR": "172.20.2.0/24", "podCIDRs": ["172.20.2.0/24", "fd00:172:20:1::/64"]}})
    assert api.get("node", "a")["spec"]["podCIDRs"] == ["172.20.1.0/24", "fd00:172:20::/64"]
    assert api.get("node", "own")["spec"]["podCIDRs"] == ["172.20.0.0/24"]


def test_nonsense_in_services_and_pods_harms_nothing(api):
    for ports, said in (([{}], "ports[0].port"), ([{"port": 70000}], "ports[0].port"),
                        ([{"port": 1}, {"port": 1, "protocol": "IP"}], "ports[1].protocol")):
        status, message = refusal(api.create, service("bad", ports=ports))
        assert (status, said in message) == (422, True), message
    rows = [{"port": 80, "targetPort": "x"}, {"port": 81, "targetPort": "82"}]
    api.create(service("odd", {"app": "a"}, ports=rows))
    api.create(pod(1, {"app": "a"}, ports=[{"name": "x"}], podIPs=[{}]))
    api.create(pod(2, {"app": "a"}, ports=[{"name": "x"}]))
    eventually(lambda: set(states(api, "odd")) == {"172.20.0.4"})
    (one,) = slices_of(api, "odd")
    assert one["ports"] == [{"name": "", "protocol": "TCP", "port": 82}]
    api.create(service("after", {"app": "a"}))
    eventually(lambda: set(states(api, "after")) == {"172.20.0.4"})


def test_leases_and_events(api):
    """Leader election: whoever writes with an old version loses."""
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
             "metadata": {"name": "leader", "namespace": "kube-system"},
             "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15,
                      "renewTime": "2024-01-01T00:00:00.000001Z"}}
    first = api.create(lease)
    won = dict(first, spec=dict(first["spec"], holderIdentity="b"))
    api.replace(json.loads(json.dumps(won)))
    assert refusal(api.replace, dict(first, spec=dict(first["spec"], holderIdentity="c")))[0] == 409
    assert api.get("lease", "leader", "kube-system")["spec"]["holderIdentity"] == "b"
    api.create({"apiVersion": "v1", "kind": "Event", "metadata": {"generateName": "e."},
                "involvedObject": {"kind": "Node", "name": "n"}, "reason": "Test", "type": "Normal",
                "message": "m", "count": 1})
    (event,) = api.list("events", "default", fields="involvedObject.name=n")
    assert event["reason"] == "Test" and event["metadata"]["name"].startswith("e.")


def test_status_subresources(api):
    made = api.create(service("lb", type="LoadBalancer"))
    api.patch("svc", "lb", {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}},
                            "spec": {"sessionAffinity": "ClientIP"}}, subresource="status")
    now = api.get("svc", "lb")
    assert now["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.9"}]
    assert now["spec"] == made["spec"], "a status leaves the spec alone"
    api.patch("svc", "lb", {"status": {"loadBalancer": {}}, "metadata": {"labels": {"a": "b"}}})
    now = api.get("svc", "lb")
    assert now["status"]["loadBalancer"]["ingress"] and now["metadata"]["labels"] == {"a": "b"}
