# SPDX-License-Identifier: Apache-2.0
"""A lab in a guest kernel: it boots, it has the modules that machines often lack, and every verb
works as it does without a guest. One guest for all of these; where none can be had, they are
skipped and say why."""

import argparse
import json
import os
import socket
import subprocess
import time

import pytest

from lablib import clean, guest, guest_call, guest_image, guest_inside, guest_wire as wire
from lablib import need, state
from lablib.errors import LabError, Usage

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CALL_S = 0.5
CALLS = 10


def cli(verb, *words, name, text=None, check=True, timeout=200):
    argv = [os.path.join(ROOT, "lab"), verb, "--name", name, *map(str, words)]
    r = subprocess.run(argv, input=text or "", capture_output=True, text=True, check=False,
                       timeout=timeout)
    if check and r.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: status {r.returncode}\n{r.stdout}{r.stderr}")
    return r


# --- pure parts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args, subnets, want",
    [
        ([], 1, []),
        ([], 2, ["ipip"]),
        (["--enable-overlay=false"], 2, []),
        (["--overlay-type=full"], 1, ["ipip"]),
        (["--overlay-type=full", "--overlay-encap=fou"], 1, ["fou"]),
        (["--run-service-proxy"], 1, ["ip_vs", "dummy"]),
        (["--run-service-proxy=true", "--run-service-proxy=false"], 1, []),
        (["--run-firewall=True"], 1, ["iptables-set"]),
        (["--run-firewall-not=true"], 1, []),
    ],
)
def test_agent_flags_say_what_the_kernel_must_have(args, subnets, want):
    assert guest.features(args, subnets) == want
    assert set(want) <= set(need.FEATURES)


@pytest.mark.parametrize(
    "kernel, lacks, want",
    [
        ("host", ["ip_vs"], False),
        ("guest", [], True),
        ("auto", [], False),
        ("auto", ["ip_vs"], True),
        ("auto", ["dummy", "ip_vs"], True),
        ("auto", ["ipip"], False),  # not asked for
    ],
)
def test_auto_takes_a_guest_when_something_lacks(monkeypatch, capsys, kernel, lacks, want):
    monkeypatch.setattr(need, "missing_feature", lambda n: f"no {n}!" if n in lacks else None)
    args = argparse.Namespace(kernel=kernel, kernel_needs="", no_agent=False, subnets=1,
                              rest=["agent", "--run-service-proxy=true"])
    assert guest._wanted(args) is want
    said = capsys.readouterr().err
    assert all((f"no {n}!" in said) is (kernel == "auto" and want) for n in lacks)


def test_features_can_be_asked_for_by_name(monkeypatch):
    monkeypatch.setattr(need, "missing_feature", lambda n: f"no {n}")
    args = argparse.Namespace(kernel="auto", kernel_needs="fou,sctp", no_agent=True, subnets=2,
                              rest=None)
    assert guest.lacking(args) == ["no fou", "no sctp"]
    args.kernel_needs = "fou,warp"
    with pytest.raises(Usage, match="warp"):
        guest.lacking(args)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\0\0",
        wire.LENGTH.pack(wire.REQUEST_MAX + 1) + b"{}",
        wire.LENGTH.pack(2) + b"[]",
        wire.LENGTH.pack(2) + b"x}",
        wire.LENGTH.pack(100) + b"{}",
    ],
    ids=["nothing", "half a length", "too long", "no object", "no JSON", "cut off"],
)
def test_a_bad_request_is_refused(sent):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(wire.Closed):
            wire.read_request(ours)


def test_a_frame_that_is_too_long_is_refused():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(wire.HEAD.pack(wire.STDIN, wire.FRAME_MAX + 1))
        with pytest.raises(wire.Closed):
            wire.read(ours)


def test_modules_come_after_those_they_need(tmp_path):
    rows = {"net/9pnet.ko": "", "fs/9p.ko.xz": "net/9pnet.ko fs/netfs.ko", "fs/netfs.ko": "",
            "net/9pnet_virtio.ko": "net/9pnet.ko", "other.ko": ""}
    text = "".join(f"{k}: {v}\n" for k, v in rows.items())
    (tmp_path / "modules.dep").write_text(text)
    order = guest_image._order(str(tmp_path))  # overlay, virtio_pci: built in, so not listed
    assert order == ["net/9pnet.ko", "fs/netfs.ko", "fs/9p.ko.xz", "net/9pnet_virtio.ko"]


def test_without_a_guest_the_api_server_is_our_own():
    if guest_inside.facts() is None:
        assert guest_inside.api_argv(state.Lab("x"), ["server"]) == ["server"]


@pytest.mark.parametrize("package", ["no such name!", "/nonexistent/kernel.deb"])
def test_bad_kernel_packages_are_refused(package):
    with pytest.raises(LabError, match="kernel-package"):
        guest_image.kernel(package)


def test_verbs_of_a_lab_without_guest_stay_here():
    r = cli("guest", "--", "true", name="nosuchlab", check=False)
    assert r.returncode == 1
    assert "has no guest" in r.stderr


# --- with a guest ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def can_boot(lab_root):
    if guest_inside.facts() is not None:
        pytest.skip("this is a guest itself")
    try:
        need.programs(guest.PROGRAMS)
        guest_image.busybox()
        guest_image.kernel()
    except LabError as e:
        pytest.skip(f"no guest kernel: {e}")


@pytest.fixture(scope="module")
def name(request, can_boot, agent_path):
    lab = request.node.guest_lab = f"g{os.getpid()}"
    begun = time.monotonic()
    try:
        r = cli("up", "--nodes", 3, "--kernel", "guest", "--agent", agent_path, name=lab)
        print(f"{r.stdout}up took {time.monotonic() - begun:.1f} s")
        yield lab
    finally:
        cli("down", name=lab)


@pytest.fixture
def facts(name):
    return guest.facts_of(name)


def test_it_is_another_kernel(name, facts):
    assert cli("guest", "--", "uname", "-r", name=name).stdout.strip() == facts["release"]
    assert facts["release"] in cli("guest", name=name).stdout


def test_every_node_has_sessions_and_routes(name):
    nodes = json.loads(cli("status", "-o", "json", name=name).stdout)["nodes"]
    rows = {n["name"]: (n["agent"]["state"], n["healthz"], n["sessions"], n["routes"])
            for n in nodes}
    assert rows == {f"node{n}": ("running", 200, 2, 2) for n in (1, 2, 3)}


def test_the_api_server_is_outside(name, facts):
    """The machine has the server, the guest only what leads there."""
    script = "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'"
    ps = cli("guest", "--", "sh", "-c", script, name=name).stdout
    assert "guest_forward.py" in ps
    assert "lablib.apiserver" not in ps
    kinds = cli("get", "nodes", name=name).stdout
    assert all(f"node{n}" in kinds for n in (1, 2, 3))


def test_pods_reach_each_other(name):
    ips = {}
    for pod, node in (("red", 1), ("blue", 2), ("green", 3)):
        ips[pod] = cli("pod", pod, "--node", f"node{node}", name=name).stdout.split()[2]
        assert ips[pod].startswith(f"172.20.{node - 1}.")
    for a, b in (("red", "blue"), ("blue", "green"), ("green", "red")):
        assert cli("connect", a, b, name=name).stdout.split() == ["ok", ips[a]]
        ping = cli("exec", a, "--", "ping", "-n", "-c", "1", "-W", "5", ips[b], name=name)
        assert " 0% packet loss" in ping.stdout
    assert "red" in cli("get", "pods", name=name).stdout  # seen from the machine, too


def test_ipvs_works(name):
    cli("guest", "--", "modprobe", "ip_vs", name=name)
    script = ("ipvsadm -A -t 10.68.0.9:80 -s rr -p 10800 &&"
              " ipvsadm -a -t 10.68.0.9:80 -r 172.20.1.2:80 -m && ipvsadm -Ln &&"
              " ipvsadm -D -t 10.68.0.9:80")
    out = cli("exec", "node1", "--", "sh", "-c", script, name=name).stdout
    assert "TCP  10.68.0.9:80 rr persistent 10800" in out
    assert "172.20.1.2:80" in out


@pytest.mark.parametrize(
    "link",
    [
        "ipip local 192.168.1.1 remote 192.168.1.2",
        "ipip local 192.168.1.1 remote 192.168.1.2 encap fou encap-sport 5555 encap-dport 5555",
        "ip6tnl mode any local fd00::1 remote fd00::2",
        "dummy",
        "vxlan id 7 dstport 4789 local 192.168.1.1",
    ],
    ids=lambda text: text.replace(" ", "-")[:40],
)
def test_links_that_machines_often_lack(name, link):
    script = f"ip link add t0 type {link} && ip -d link show t0 && ip link del t0"
    out = cli("exec", "node1", "--", "sh", "-c", script, name=name).stdout
    assert link.split()[0] in out


def test_fou_and_sctp(name):
    script = ("ip fou add port 5555 ipproto 4 && ip fou show && /usr/bin/python3 -IS -c"
              " 'import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)'")
    assert "port 5555" in cli("exec", "node1", "--", "sh", "-c", script, name=name).stdout


def test_words_and_status_go_both_ways(name):
    script = 'cat; echo "$1" >&2; exit 7'
    text = "".join(f"line {i}\n" for i in range(50000))  # more than any pipe holds
    r = cli("exec", "node1", "--", "sh", "-c", script, "sh", "a b'c", name=name, text=text,
            check=False)
    assert (r.returncode, r.stdout, r.stderr) == (7, text, "a b'c\n")


def test_a_verb_that_fails_says_why(name):
    r = cli("connect", "nosuchpod", "red", name=name, check=False)
    assert r.returncode == 1
    assert "nosuchpod" in r.stderr


def test_a_call_is_quick(name, facts):
    took = []
    for _ in range(CALLS):
        begun = time.monotonic()
        status, out, err = guest_call.collect(
            facts, "lab", ["connect", "--name", name, "node1", "node2"], ROOT)
        took.append(time.monotonic() - begun)
        assert (status, out, err) == (0, b"ok 192.168.1.1\n", b"")
    print("seconds:", " ".join(f"{t:.2f}" for t in took))
    assert min(took) < CALL_S  # not the mean: others may be at work on this machine


def test_calls_do_not_wait_for_each_other(name):
    """Ten that sleep a second, side by side."""
    argv = [os.path.join(ROOT, "lab"), "guest", "--name", name, "--", "sh", "-c", "sleep 3; echo x"]
    begun = time.monotonic()
    calls = [subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
             for _ in range(10)]
    assert [c.communicate(timeout=60)[0] for c in calls] == ["x\n"] * 10
    assert time.monotonic() - begun < 10 * 3


def test_a_call_that_is_given_up_is_ended(name, facts, eventually):
    argv = [os.path.join(ROOT, "lab"), "guest", "--name", name, "--", "sleep", "7654321"]
    call = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    look = ["sh", "-c", "for p in $(pidof sleep); do tr '\\0' ' ' </proc/$p/cmdline; done; :"]

    def sleeps():
        return b"7654321" in guest_call.collect(facts, "exec", look)[1]

    eventually(sleeps)
    call.kill()
    call.wait()
    eventually(lambda: not sleeps())


def test_a_file_that_changed_is_read_anew(name, tmp_path):
    path = tmp_path / "f"
    for text in ("one\n", "two, longer\n", "three\n"):
        path.write_text(text)
        assert cli("guest", "--", "cat", path, name=name).stdout == text


def test_the_machine_is_not_written_to(name, tmp_path):
    cli("guest", "--", "touch", tmp_path / "f", name=name)
    assert not list(tmp_path.iterdir())


def test_strangers_are_not_served(facts):
    for token in ("", "0" * 64, None):
        with pytest.raises(LabError, match="does not answer"):
            guest_call.collect(dict(facts, token=token), "exec", ["true"])
    assert guest_call.collect(facts, "exec", ["echo", "x"])[1] == b"x\n"
    assert os.stat(os.path.join(state.ROOT, facts["name"], "guest.json")).st_mode & 0o077 == 0


def test_the_api_service_leads_to_the_server_as_nodes_reach_it(name):
    slices = json.loads(cli("get", "endpointslices", "kubernetes", "-o", "json", name=name).stdout)
    assert [e["addresses"] for e in slices["endpoints"]] == [["192.168.1.250"]]
    assert [p["port"] for p in slices["ports"]] == [6443]


def test_an_agent_is_killed_and_started_again(name, eventually):
    cli("agent", "node3", "kill", name=name)
    r = json.loads(cli("status", "-o", "json", name=name).stdout)
    assert r["nodes"][2]["agent"]["state"] == "exited"
    cli("agent", "node3", "start", name=name)

    def node3():
        found = json.loads(cli("status", "-o", "json", name=name).stdout)["nodes"][2]
        return {k: found[k] for k in ("healthz", "sessions", "routes")}

    eventually(node3, has={"healthz": 200, "sessions": 2, "routes": 2}, within=30)


def test_the_api_server_can_be_down(name, eventually):
    def routes():
        return cli("exec", "node1", "--", "ip", "route", "show", "proto", "17", name=name).stdout

    cli("api", "down", name=name)
    try:
        assert "172.20.2.0/24" in routes()
    finally:
        cli("api", "up", name=name)
    cli("delete", "-f", "-", name=name,
        text=json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node3"}}))
    eventually(lambda: "172.20.2.0/24" not in routes(), within=60)  # so it watches again


def test_down_leaves_nothing(name, facts):
    cli("down", name=name)
    assert clean.leftovers(state.Lab(name)) == []
    assert state.start_time(facts["pid"]) is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", facts["port"]), timeout=1)
    r = cli("status", name=name, check=False)
    assert r.returncode == 1
    assert "there is no lab" in r.stderr


def test_a_guest_that_dies_is_noticed(can_boot):
    lab = f"h{os.getpid()}"
    try:
        cli("up", "--nodes", 1, "--kernel", "guest", "--no-agent", name=lab)
        pid = guest.facts_of(lab)["pid"]
        cli("guest", "--", "sh", "-c", "echo c >/proc/sysrq-trigger", name=lab, check=False)
        limit = time.monotonic() + 20
        while state.start_time(pid) is not None and time.monotonic() < limit:
            time.sleep(0.1)
        r = cli("status", name=lab, check=False)
        assert r.returncode == 1
        assert "its guest is gone" in r.stderr
        assert "Kernel panic" in r.stderr
    finally:
        cli("down", name=lab)
    assert clean.leftovers(state.Lab(lab)) == []
