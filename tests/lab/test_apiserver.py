# SPDX-License-Identifier: Apache-2.0
"""The lab's API server, judged by clients that share no code with it (apiserver/testing.py)."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parent
sys.path.insert(0, str(LAB))

from lablib.apiserver.client import ApiError, Client  # noqa: E402
from lablib.apiserver.testing import (  # noqa: E402
    LIMIT_S, RunningServer, dig, fields, opened, pb_map, pb_name, take_frames)

PB = "application/vnd.kubernetes.protobuf"
STREAM_LIST = ("watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
               "&allowWatchBookmarks=true")


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
def server(start):
    return start("--bookmark-s", "0.2")


def node(name, **meta):
    n = int("".join(c for c in name if c.isdigit()) or 0)
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": dict(meta, name=name),
        "spec": {"podCIDR": f"172.20.{n % 256}.0/24", "podCIDRs": [f"172.20.{n % 256}.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": f"192.168.1.{n % 256}"},
                                 {"type": "Hostname", "address": name}]},
    }


def names(listing):
    return [i["metadata"]["name"] for i in listing["items"]]


def codes(call, *args, **kw):
    with pytest.raises(ApiError) as e:
        call(*args, **kw)
    return e.value.status


# --- tests ---------------------------------------------------------------------------------------


def test_list_and_watch_json(server):
    c = server.h2()
    server.client.create(node("node1", labels={"role": "a"}))
    status, listing = c.get("/api/v1/nodes")
    assert status == 200 and listing["kind"] == "NodeList" and names(listing) == ["node1"]
    meta = listing["items"][0]["metadata"]
    assert meta["labels"] == {"role": "a", "kubernetes.io/hostname": "node1"}
    assert meta["uid"] and meta["creationTimestamp"].endswith("Z")
    w = c.open(f"/api/v1/nodes?watch=1&resourceVersion={listing['metadata']['resourceVersion']}")
    server.client.create(node("node2"))
    server.client.patch("node", "node2", {"metadata": {"annotations": {"x/y": "1"}}})
    server.client.delete("node", "node1")
    got = [(e["type"], e["object"]["metadata"]["name"]) for e in c.events(w, 3, cut=False)]
    assert got == [("ADDED", "node2"), ("MODIFIED", "node2"), ("DELETED", "node1")]
    rvs = [int(e["object"]["metadata"]["resourceVersion"]) for e in c.events(w, 3)]
    assert rvs == sorted(set(rvs)) and rvs[0] > int(listing["metadata"]["resourceVersion"])


def test_list_and_watch_protobuf(server):
    c = server.h2("cert")
    server.client.create(node("node7", labels={"role": "a"}, annotations={"k/v": "w"}))
    s = c.call("/api/v1/nodes", accept=PB)
    assert (s.status, s.headers["content-type"]) == (200, PB)
    kind, listing = opened(s.data)
    rv = dig(listing, 1, 2).decode()
    items = fields(listing)[2]
    assert kind == "NodeList" and len(items) == 1 and pb_name(items[0]) == "node7"
    assert pb_map(dig(items[0], 1), 11)["role"] == "a"
    assert pb_map(dig(items[0], 1), 12) == {"k/v": "w"}
    assert abs(dig(items[0], 1, 8, 1) - time.time()) < 60
    assert dig(items[0], 2, 1) == b"172.20.7.0/24"
    assert fields(dig(items[0], 2))[7] == [b"172.20.7.0/24"]
    addresses = [(dig(a, 1), dig(a, 2)) for a in fields(dig(items[0], 3))[5]]
    assert addresses == [(b"InternalIP", b"192.168.1.7"), (b"Hostname", b"node7")]
    w = c.open(f"/api/v1/nodes?watch=true&resourceVersion={rv}", accept=f"{PB},application/json")
    server.client.create(node("node8"))
    server.client.delete("node", "node8")
    frames = c.pb_events(w, 2)
    assert c.streams[w].headers["content-type"] == f"{PB};stream=watch"
    assert [(t, k, pb_name(m)) for t, k, m in frames] == [
        ("ADDED", "Node", "node8"), ("DELETED", "Node", "node8")]


def test_streamed_initial_list_and_bookmarks(server):
    for i in range(3):
        server.client.create(node(f"node{i}"))
    c = server.h2()
    w = c.open(f"/api/v1/nodes?{STREAM_LIST}", accept=PB)
    frames = c.pb_events(w, 4)
    assert [f[0] for f in frames] == ["ADDED"] * 3 + ["BOOKMARK"]
    assert pb_map(dig(frames[3][2], 1), 12) == {"k8s.io/initial-events-end": "true"}
    begin = dig(frames[3][2], 1, 6)
    server.client.create({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "other"}})
    later = c.pb_events(w, 1)[0]
    assert later[0] == "BOOKMARK" and pb_map(dig(later[2], 1), 12) == {}
    assert int(dig(c.pb_events(w, 1)[0][2], 1, 6)) > int(begin), "bookmarks follow other kinds"


def test_timeout_ends_a_watch_with_a_bookmark(start):
    server = start("--bookmark-s", "100")
    c = server.h2()
    s = c.call("/api/v1/nodes?watch=1&resourceVersion=0&timeoutSeconds=1&allowWatchBookmarks=true")
    assert s.ended and [json.loads(x)["type"] for x in s.data.splitlines()] == ["BOOKMARK"]
    s = c.call("/api/v1/nodes?watch=1&timeoutSeconds=1")
    assert s.ended and s.data == b"", "no bookmark unasked"


def test_paging_is_a_snapshot(server):
    for i in range(7):
        server.client.create(node(f"node{i}"))
    c = server.h2()
    _, first = c.get("/api/v1/nodes?limit=3")
    assert names(first) == ["node0", "node1", "node2"]
    assert first["metadata"]["remainingItemCount"] == 4
    server.client.delete("node", "node4")
    server.client.create(node("node33"))
    server.client.patch("node", "node5", {"metadata": {"labels": {"new": "1"}}})
    _, second = c.get(f"/api/v1/nodes?limit=3&continue={first['metadata']['continue']}")
    assert names(second) == ["node3", "node4", "node5"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "new" not in second["items"][2]["metadata"]["labels"]
    _, third = c.get(f"/api/v1/nodes?limit=3&continue={second['metadata']['continue']}")
    assert names(third) == ["node6"] and "continue" not in third["metadata"]
    _, exact = c.get(f"/api/v1/nodes?resourceVersionMatch=Exact&resourceVersion="
                     f"{first['metadata']['resourceVersion']}")
    assert names(exact) == [f"node{i}" for i in range(7)]
    server.client.fault("compact")
    status, gone = c.get(f"/api/v1/nodes?limit=3&continue={first['metadata']['continue']}")
    assert (status, gone["reason"]) == (410, "Expired")
    _, on = c.get(f"/api/v1/nodes?continue={gone['metadata']['continue']}")
    assert names(on) == ["node3", "node33", "node5", "node6"], "the offered token goes on"
    assert c.get("/api/v1/nodes?continue=junk")[0] == 400
    assert c.get(f"/api/v1/nodes?resourceVersion={10 ** 15}")[0] == 504


def test_watch_older_than_the_window_is_told_410(start):
    server = start("--window", "8")
    c = server.h2()
    rv = c.get("/api/v1/nodes")[1]["metadata"]["resourceVersion"]
    for i in range(20):
        server.client.create(node(f"node{i}"))
    for accept in ("application/json", PB):
        s = c.call(f"/api/v1/nodes?watch=1&resourceVersion={rv}", accept=accept)
        assert s.status == 200
        if accept == PB:
            (type_, kind, status), = take_frames(s.data)[0]
            assert (type_, kind) == ("ERROR", "Status")
            assert (dig(status, 6), dig(status, 4)) == (410, b"Expired")
        else:
            ev = json.loads(s.data)
            assert (ev["type"], ev["object"]["code"]) == ("ERROR", 410)


def test_fault_410_ends_open_watches(server):
    c = server.h2()
    w = c.open("/api/v1/nodes?watch=1&resourceVersion=0")
    c.until(lambda: c.streams[w].status, "watch")
    server.client.fault("410")
    ev, = c.events(w, 1)
    assert (ev["type"], ev["object"]["reason"]) == ("ERROR", "Expired")
    c.until(lambda: c.streams[w].ended, "end of the watch")
    assert server.client.stats()["watches"] == []


def test_selectors(server):
    for name, labels in (("n1", {"app": "web", "v": "1"}), ("n2", {"app": "db"}), ("n3", {})):
        server.client.create(node(name, labels=labels))
    rows = {
        "labelSelector=app%3Dweb": ["n1"],
        "labelSelector=app!%3Dweb": ["n2", "n3"],
        "labelSelector=app+in+(web,db)": ["n1", "n2"],
        "labelSelector=app+notin+(web),v": [],
        "labelSelector=app,!v": ["n2"],
        "fieldSelector=metadata.name%3Dn3": ["n3"],
        "fieldSelector=metadata.name!%3Dn3": ["n1", "n2"],
    }
    c = server.h2()
    for query, want in rows.items():
        assert names(c.get(f"/api/v1/nodes?{query}")[1]) == want, query
    assert c.get("/api/v1/nodes?labelSelector=a%3D%3D%3Db")[0] == 400
    assert c.get("/api/v1/nodes?fieldSelector=spec.nosuch%3Db")[0] == 400
    w = c.open("/api/v1/nodes?watch=1&labelSelector=app%3Dweb")
    assert c.events(w, 1)[0]["object"]["metadata"]["name"] == "n1"
    server.client.patch("node", "n2", {"metadata": {"labels": {"app": "web"}}})
    server.client.patch("node", "n1", {"metadata": {"labels": {"app": None}}})
    into, out = c.events(w, 2)
    assert (into["type"], into["object"]["metadata"]["name"]) == ("ADDED", "n2")
    assert (out["type"], out["object"]["metadata"]["name"]) == ("DELETED", "n1")
    assert out["object"]["metadata"]["labels"]["app"] == "web", "the last state that matched"


def test_conflict_status_and_patches(server):
    api = server.client
    old = api.create(node("n1"))
    api.patch("node", "n1", {"metadata": {"labels": {"a": "b"}}})
    assert codes(api.replace, old) == 409
    assert codes(api.create, node("n1")) == 409
    assert codes(api.get, "node", "nope") == 404
    now = api.get("node", "n1")
    now["spec"]["unschedulable"], now["status"] = True, {"phase": "ignored"}
    stored = api.request("PUT", "/api/v1/nodes/n1", now)
    assert stored["spec"]["unschedulable"] and stored["status"] == old["status"]
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    smp = "application/strategic-merge-patch+json"
    api.patch("node", "n1", ready, subresource="status", content_type=smp)
    more = {"status": {"conditions": [{"type": "Disk", "status": "False"}]},
            "spec": {"podCIDR": "x"}}
    got = api.patch("node", "n1", more, subresource="status", content_type=smp)
    assert [x["type"] for x in got["status"]["conditions"]] == ["Ready", "Disk"]
    assert got["spec"]["podCIDR"] == "172.20.1.0/24", "a status patch leaves the spec"
    ops = [{"op": "test", "path": "/metadata/labels/a", "value": "b"},
           {"op": "add", "path": "/metadata/labels/x~1y", "value": "z"}]
    got = api.patch("node", "n1", ops, content_type="application/json-patch+json")
    assert got["metadata"]["labels"]["x/y"] == "z"
    ops[0]["value"] = "no"
    assert codes(api.patch, "node", "n1", ops, content_type="application/json-patch+json") == 422
    rv = got["metadata"]["resourceVersion"]
    assert api.patch("node", "n1", {})["metadata"]["resourceVersion"] == rv, "no change, no event"
    bad = {"spec": {"podCIDRs": [5]}}
    assert codes(api.patch, "node", "n1", bad) == 422
    assert codes(api.create, dict(node("n2"), spec=17)) == 400
    assert codes(api.create, node("Bad_Name")) == 422


def test_namespaces_and_finalizers(server):
    api = server.client
    pod = {"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": "p", "namespace": "team", "finalizers": ["lab/hold"]},
           "spec": {"nodeName": "n1"}, "status": {"phase": "Running", "podIP": "172.20.0.2"}}
    assert codes(api.create, pod) == 404
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    assert api.create(pod)["status"]["podIP"] == "172.20.0.2"
    assert api.get("ns", "team")["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    api.delete("pod", "p", namespace="team")
    assert api.get("pod", "p", namespace="team")["metadata"]["deletionTimestamp"]
    api.patch("pod", "p", {"metadata": {"finalizers": None}}, namespace="team")
    assert codes(api.get, "pod", "p", namespace="team") == 404
    del pod["metadata"]["finalizers"]
    api.apply(pod)
    api.delete("pod", "p", namespace="team", grace_s=30)
    assert api.get("pod", "p", namespace="team")["metadata"]["deletionGracePeriodSeconds"] == 30
    api.patch("pod", "p", {"metadata": {"finalizers": ["lab/hold"]}}, namespace="team")
    api.delete("ns", "team")
    assert api.get("ns", "team")["status"]["phase"] == "Terminating"
    assert codes(api.create, dict(pod, metadata={"name": "q", "namespace": "team"})) == 403
    api.patch("pod", "p", {"metadata": {"finalizers": None}}, namespace="team")
    api.delete("pod", "p", namespace="team", missing_ok=True)
    assert api.list("pods") == [] and codes(api.get, "ns", "team") == 404


def test_authentication(server):
    rows = {"token": 200, "cert": 200, "none": 401, "wrong": 401}
    for auth, want in rows.items():
        c = server.h2(auth)
        s = c.call("/api/v1/nodes", accept=PB)
        assert s.status == want, auth
        assert c.call("/healthz").data == b"ok", "health needs no credentials"
    assert opened(s.data)[0] == "Status" and dig(opened(s.data)[1], 6) == 401
    c = server.h2()
    s = c.call("/lab/stats")
    assert s.status == 404, "lab paths are on the UNIX socket only"


def test_negotiation(server):
    c = server.h2()
    assert c.call("/apis/apps/v1/daemonsets", accept=PB).status == 406
    assert c.call("/apis/apps/v1/daemonsets", accept=f"{PB},application/json").status == 200
    table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    assert c.get("/api/v1/nodes", accept=table)[1]["kind"] == "NodeList"
    assert c.call("/api/v1/nodes", accept="text/html").status == 406
    assert c.get("/api/v1/nosuch")[0] == 404
    assert c.get("/apis")[1]["kind"] == "APIGroupList"
    assert "nodes/status" in [r["name"] for r in c.get("/api/v1")[1]["resources"]]


def test_protobuf_bodies(server):
    """A body as client-go writes it: create with one, read the same message back."""
    c = server.h2()
    server.client.create(node("node9", labels={"a": "b"}))
    body = c.call("/api/v1/nodes/node9", accept=PB).data
    server.client.delete("node", "node9")
    s = c.call("/api/v1/nodes", accept=PB, method="POST", body=body, ctype=PB)
    assert s.status == 400, "it still carries a resourceVersion"
    spec = b"\x0a\x0d172.20.9.0/24"
    raw = b"\x0a\x07\x0a\x05node9" + b"\x12" + bytes([len(spec)]) + spec
    meta = b"\x0a\x02v1\x12\x04Node"
    body = b"k8s\0\x0a" + bytes([len(meta)]) + meta + b"\x12" + bytes([len(raw)]) + raw
    s = c.call("/api/v1/nodes", accept=PB, method="POST", body=body, ctype=PB)
    assert s.status == 201 and pb_name(opened(s.data)[1]) == "node9"
    assert server.client.get("node", "node9")["spec"] == {
        "podCIDR": "172.20.9.0/24", "podCIDRs": ["172.20.9.0/24"]}
    for cut in range(5, len(body) - 1):
        s = c.call("/api/v1/nodes", method="POST", body=body[:cut], ctype=PB)
        assert s.status in (400, 422), cut


def test_slow_reader_holds_up_nobody(server):
    """2,000 nodes to a stream whose window stays shut, while other streams go on."""
    for i in range(2000):
        server.client.create(node(f"node{i}", annotations={"pad": "x" * 400}))
    c = server.h2(window=65535)
    slow = c.open("/api/v1/nodes", accept=PB, slow=True)
    s = c.streams[slow]
    c.h2.increment_flow_control_window(8 << 20)  # the connection's window, not the stream's
    c.flush()
    c.until(lambda: s.unread >= 65535, "first window")
    assert c.get("/api/v1/nodes?limit=1")[0] == 200
    w = c.open("/api/v1/nodes?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dnode5")
    c.events(w, 1)
    server.client.delete("node", "node5")
    assert c.events(w, 1)[0]["type"] == "DELETED"
    assert s.unread == 65535 and not s.ended, "the server kept to the window"
    c.slow.clear()
    c.h2.acknowledge_received_data(s.unread, slow)
    c.flush()
    c.until(lambda: s.ended, "rest of the list")
    assert len(fields(opened(s.data)[1])[2]) == 2000, "the list as it was when it was asked for"


def test_slow_watcher_leaves_the_window(start):
    server = start("--window", "50")
    c = server.h2(window=4096)
    w = c.open("/api/v1/nodes?watch=1&resourceVersion=0", slow=True)
    s = c.streams[w]
    c.until(lambda: s.status, "watch")
    for i in range(300):
        server.client.create(node(f"node{i}"))
    c.until(lambda: s.unread >= 4096, "first window")
    c.slow.clear()
    c.h2.acknowledge_received_data(s.unread, w)
    c.flush()
    c.until(lambda: s.ended, "end of the watch")
    last = json.loads(s.data.splitlines()[-1])
    assert (last["type"], last["object"]["code"]) == ("ERROR", 410)


def test_many_streams_ping_and_cancel(server):
    c = server.h2()
    sids = [c.open("/api/v1/nodes?watch=1&resourceVersion=0") for _ in range(100)]
    c.until(lambda: all(c.streams[i].status for i in sids), "all watches")
    assert server.client.stats()["watches"][0]["count"] == 100
    c.h2.ping(b"12345678")
    c.flush()
    c.until(lambda: c.pongs == 1, "pong")
    for i in sids[:99]:
        c.h2.reset_stream(i)
    c.flush()
    end = time.monotonic() + LIMIT_S
    while server.client.stats()["watches"][0]["count"] > 1 and time.monotonic() < end:
        c.pump()
    assert server.client.stats()["watches"][0]["count"] == 1
    server.client.create(node("n1"))
    assert c.events(sids[99], 1)[0]["type"] == "ADDED"


def test_malformed_fault(server):
    c = server.h2()
    j = c.open("/api/v1/nodes?watch=1&resourceVersion=0")
    p = c.open("/api/v1/nodes?watch=1&resourceVersion=0", accept=PB)
    c.until(lambda: c.streams[j].status and c.streams[p].status, "watches")
    server.client.fault("malformed", kind="nodes", n=1)
    server.client.create(node("n1"))
    server.client.create(node("n2"))
    bad, good = c.events(j, 2)
    assert bad["object"]["spec"] == 17 and good["object"]["spec"]["podCIDR"]
    (_, _, broken), (_, _, sound) = c.pb_events(p, 2)
    assert pb_name(sound) == "n2"
    with pytest.raises(AssertionError):
        fields(broken)
    assert codes(server.client.fault, "malformed", kind="nosuch") == 400
    assert codes(server.client.fault, "nonsense") == 400


def test_down_up_drop_delay(server):
    api = server.client
    c = server.h2()
    c.open("/api/v1/nodes?watch=1")
    api.fault("down")
    while c.pump():
        pass
    with pytest.raises(OSError):
        server.h2()
    api.create(node("n1"))
    api.fault("up")
    c = server.h2()
    assert names(c.get("/api/v1/nodes")[1]) == ["n1"]
    api.fault("delay", ms=300)
    begun = time.monotonic()
    c.get("/api/v1/nodes")
    assert time.monotonic() - begun >= 0.3
    api.fault("delay", ms=0)
    api.fault("drop")
    while c.pump():
        pass
    assert server.h2().get("/api/v1/nodes")[0] == 200, "the listener stays"


def test_stop_is_clean_and_quick(start):
    server = start()
    c = server.h2()
    w = c.open("/api/v1/nodes?watch=1&resourceVersion=0")
    c.until(lambda: c.streams[w].status, "watch")
    begun = time.monotonic()
    server.proc.send_signal(signal.SIGTERM)
    while c.pump():
        pass
    assert server.proc.wait(5) == 0
    assert time.monotonic() - begun < 1
    assert c.streams[w].ended and c.goaway
    assert not (server.dir / "api.pid").exists() and not (server.dir / "api.sock").exists()


def test_restart_keeps_credentials_and_outdates_versions(start):
    first = start()
    rv, token = first.client.stats()["resourceVersion"], first.token
    ca = (first.dir / "ca.crt").read_bytes()
    first.stop()
    second = start()
    assert second.token == token and (second.dir / "ca.crt").read_bytes() == ca
    s = second.h2("cert").call(f"/api/v1/nodes?watch=1&resourceVersion={rv}")
    assert json.loads(s.data)["object"]["code"] == 410


def test_nonsense_is_refused_and_harms_nothing(server):
    c = server.h2()
    server.client.create(node("n1"))
    smp, jp = "application/strategic-merge-patch+json", "application/json-patch+json"
    rows = [
        ("GET", "/api/v1/nodes?limit=x", None, None, 400),
        ("GET", "/api/v1/nodes?watch=1&resourceVersion=" + "9" * 40, None, None, 400),
        ("GET", "/api/v1/nodes?watch=1&timeoutSeconds=%C2%B2", None, None, 400),
        ("POST", "/api/v1/nodes", b"{", None, 400),
        ("POST", "/api/v1/nodes", b"[1]", None, 400),
        ("POST", "/api/v1/nodes", b'{"metadata":5}', None, 400),
        ("POST", "/api/v1/nodes", b'{"metadata":{"name":"x","labels":{"\\ud800":""}}}', None, 400),
        ("POST", "/apis/apps/v1/namespaces/default/daemonsets",
         b'{"metadata":{"name":"x","finalizers":5}}', None, 400),
        ("POST", "/api/v1/nodes", b"k8s\0\xff", PB, 400),
        ("POST", "/api/v1/nodes", b"x", "text/plain", 415),
        ("PUT", "/api/v1/nodes/n1", b'{"metadata":{"name":"n2"}}', None, 400),
        ("PATCH", "/api/v1/nodes/n1", b"17", smp, 400),
        ("PATCH", "/api/v1/nodes/n1", b'{"status":{"conditions":["a"]}}', smp, 422),
        ("PATCH", "/api/v1/nodes/n1", b'{"$deleteFromPrimitiveList/spec":3}', smp, 400),
        ("PATCH", "/api/v1/nodes/n1", b'[{"op":"remove","path":5}]', jp, 400),
        ("PATCH", "/api/v1/nodes/n1", b'[{"op":"remove","path":"/spec/podCIDRs/9"}]', jp, 422),
        ("PATCH", "/api/v1/nodes/n1", b'{"kind":"Pod"}', "application/merge-patch+json", 422),
        ("DELETE", "/api/v1/nodes/n1", b'{"gracePeriodSeconds":"a"}', None, 400),
        ("POST", "/api/v1/nodes/n1", b"{}", None, 405),
        ("GET", "/api/v1/nodes/n1/proxy", None, None, 404),
    ]
    before = server.client.get("node", "n1")
    for method, path, body, ctype, want in rows:
        s = c.call(path, method=method, body=body, ctype=ctype or "application/json")
        assert (s.status, json.loads(s.data)["kind"]) == (want, "Status"), (method, path, body)
    assert server.client.get("node", "n1") == before
    assert c.call("/api/v1/nodes", accept=PB).status == 200


def test_one_server_per_directory(server):
    run = subprocess.run(
        ["/usr/bin/python3", "-m", "lablib.apiserver", "--dir", server.dir, "--listen",
         "127.0.0.1:0", "--unix", server.dir / "api.sock"],
        env=dict(os.environ, PYTHONPATH=str(LAB)), capture_output=True, text=True, timeout=LIMIT_S)
    assert run.returncode == 1 and "another server runs" in run.stderr
    assert server.client.stats()["resourceVersion"]


def test_unix_client(server):
    api = server.client
    api.apply(node("n1"))
    changed = node("n1", labels={"x": "1"})
    changed["status"]["phase"] = "Running"
    got = api.apply(changed)
    assert got["metadata"]["labels"]["x"] == "1" and got["status"]["phase"] == "Running"
    assert [i["kind"] for i in api.list("no", labels="x")] == ["Node"]
    assert api.delete("node", "gone", missing_ok=True) is None
    assert codes(api.list, "nosuch") == 404
    api.request("DELETE", "/api/v1/nodes?" + "labelSelector=x")
    assert api.list("nodes") == []
    assert any(r["verb"] == "deletecollection" for r in api.stats()["requests"])
    assert codes(Client(server.dir / "none.sock").stats) == 0
