#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""The whole agent at rest and at work, in the lab: memory, system calls, delays, growth.

    bench/agent.py [--agent PATH] [--nodes 10,100,1000] [--seconds 20] [--only rest,scale,...]

  rest   three nodes with sessions: memory, system calls and CPU of the agent and its BGP process
  delay  the same: Node event to set member, BGP UPDATE to kernel route, from packet to kernel
  scale  one node, N Node objects whose routers are dead: start, memory, rest, cost of one event
  churn  one Node added and deleted 1,000 times, each seen in the kernel: memory before and after

Delays are taken in the node: the time stamp of the packet that carried the news, against the
moment the kernel shows the result. Dead routers have permanent neighbour entries, so that SYNs to
them vanish as they do when a machine is off. System calls are counted by strace, which slows the
agent: where it runs, no time is taken. Needs root, strace and what the lab needs.
"""

import argparse
import contextlib
import errno
import os
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))

from deadnodes import dead_cidr, dead_ip, node_object  # noqa: E402
from lablib import agent as agents, lab as labs, need, ns, testlab  # noqa: E402

PODS, NODES = "kube-router-pod-subnets", "kube-router-node-ips"
SETTLE_S = 2  # after a burst, before rest is measured
NFNL_IPSET, IPSET_TEST = 6, 11
RTMGRP_ROUTES = 0x40 | 0x400
SO_TIMESTAMPNS = 35
BGP_MARKER = b"\xff" * 16
DEAD_MAC = "02:00:00:00:00:01"


# --- looking at processes from outside ---


def processes(node):
    """The agent and its BGP process, by what they are; waits for the latter."""
    return testlab.eventually(lambda: with_bgp(node))


def with_bgp(node):
    pid = node.agent.pid
    for child in agents._children(pid):
        with open(f"/proc/{child}/cmdline", "rb") as f:
            if b"bgp-speaker" in f.read():
                return {"agent": pid, "bgp": child}
    return None


def memory(pid):
    """kB. PSS shares the program's pages with the other agents that run; private does not."""
    out = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            name, _, value = line.partition(":")
            if name in ("Rss", "Pss", "Private_Clean", "Private_Dirty"):
                out[name] = int(value.split()[0])
    return {"rss": out["Rss"], "pss": out["Pss"], "dirty": out["Private_Dirty"]}


def cpu_s(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e9


def switches(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", f.read()))


@contextlib.contextmanager
def counted(pids):
    """System calls made in the block, filled in at its end: {pid: {name: n}}. Helper programs
    that the agent starts are not counted, only that it starts them."""
    result, running = {}, []
    with tempfile.TemporaryDirectory() as where:
        for pid in pids:
            path = os.path.join(where, str(pid))
            running.append((pid, path, subprocess.Popen(
                ["strace", "-c", "-U", "calls,name", "-o", path, "-p", str(pid)],
                stderr=subprocess.PIPE)))
        for _, _, tracer in running:
            tracer.stderr.readline()  # "attached"
        try:
            yield result
        finally:
            for pid, path, tracer in running:
                tracer.send_signal(signal.SIGINT)
                tracer.communicate()
                with open(path, encoding="ascii") as f:
                    rows = re.findall(r"^\s*(\d+)\s+(\w+)$", f.read(), re.M)
                result[pid] = {name: int(n) for n, name in rows if name != "total"}


def shown(calls):
    top = sorted(calls.items(), key=lambda c: -c[1])[:4]
    return " ".join(f"{name} {n}" for name, n in top)


# --- looking at the node's kernel ---


class Tap:
    """In a node: packets that arrive, routes that change, members of a set."""

    def __init__(self, node):
        with open(f"/proc/{node.host.pid}/ns/net", "rb") as fd, ns.inside_net(fd.fileno()):
            self.packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
            self.routes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            self.sets = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self.packets.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.packets.bind(("eth0", 0x0800))
        self.routes.bind((0, RTMGRP_ROUTES))
        self.packets.setblocking(False)
        self.routes.setblocking(False)

    def close(self):
        for s in (self.packets, self.routes, self.sets):
            s.close()

    def drain(self):
        for s in (self.packets, self.routes):
            with contextlib.suppress(BlockingIOError):
                while s.recv(65536):
                    pass

    def arrived(self, port, wanted=lambda payload: True):
        """Time stamps of the TCP segments from a port that have come so far."""
        times = []
        with contextlib.suppress(BlockingIOError):
            while True:
                data, aux, _, _ = self.packets.recvmsg(65536, 64)
                if len(data) < 40 or data[9] != socket.IPPROTO_TCP:
                    continue
                tcp = data[(data[0] & 15) * 4:struct.unpack_from("!H", data, 2)[0]]
                payload = tcp[(tcp[12] >> 4) * 4:]
                if port in struct.unpack_from("!HH", tcp) and payload and wanted(payload):
                    s, n = struct.unpack("qq", aux[0][2])
                    times.append(s + n / 1e9)
        return times

    def is_member(self, name, address, bits):
        """One question to ipset by netlink, without a program."""
        def attr(kind, value):
            padded = value + b"\0" * (-len(value) % 4)
            return struct.pack("=HH", 4 + len(value), kind) + padded

        nested, network = 0x8000, 0x4000
        data = attr(1 | nested, attr(1 | network, socket.inet_aton(address)))
        if bits is not None:
            data += attr(3, bytes([bits]))
        body = struct.pack("=BBH", socket.AF_INET, 0, 0) + attr(1, b"\7")
        body += attr(2, name.encode() + b"\0") + attr(7 | nested, data)
        head = struct.pack("=IHHII", 16 + len(body), NFNL_IPSET << 8 | IPSET_TEST, 5, 1, 0)
        self.sets.send(head + body)
        err = -struct.unpack_from("=i", self.sets.recv(4096), 16)[0]
        if err in (0, 4103):  # IPSET_ERR_EXIST: not there
            return err == 0
        if err == errno.ENOENT:
            return False  # the set itself is not there yet
        raise OSError(err, f"ipset test {name}: {os.strerror(err)}")

    def route_seen(self, prefix):
        """Wait until the kernel tells of a route to prefix; the time of it."""
        address, _, bits = prefix.partition("/")
        want = socket.inet_aton(address)
        limit = time.time() + 10
        while time.time() < limit:
            with contextlib.suppress(BlockingIOError):
                data = self.routes.recv(65536)
                now = time.time()
                if want in data and data[17] == int(bits):
                    return now
        raise TimeoutError(f"no route to {prefix} within 10 s")


def until(fn, seconds=10):
    """The moment fn becomes true, asked without a pause."""
    limit = time.time() + seconds
    while not fn():
        if time.time() > limit:
            raise TimeoutError(f"not within {seconds} s")
    return time.time()


# --- figures ---


def line(what, *columns):
    print(f"  {what:<44}" + "".join(f"{c:>16}" for c in columns), flush=True)


def print_rest(node, seconds):
    who = processes(node)
    line("at rest", *who)
    mem = {name: memory(pid) for name, pid in who.items()}
    for key in ("rss", "pss", "dirty"):
        line(f"memory {key}, kB", *(mem[name][key] for name in who))
    before = {name: (cpu_s(pid), switches(pid)) for name, pid in who.items()}
    time.sleep(seconds)
    spent = {n: (cpu_s(p) - before[n][0], switches(p) - before[n][1]) for n, p in who.items()}
    line("CPU, ms per minute", *(f"{spent[n][0] * 60000 / seconds:.2f}" for n in who))
    line("context switches per second", *(f"{spent[n][1] / seconds:.2f}" for n in who))
    with counted(who.values()) as calls:
        time.sleep(seconds)
    line("system calls per second",
         *(f"{sum(calls[p].values()) / seconds:.2f}" for p in who.values()))
    for name, pid in who.items():
        print(f"    {name}: {shown(calls[pid])} in {seconds} s")
    return {p: sum(c.values()) / seconds for p, c in calls.items()}


def print_event_cost(lab, node, rest, times=20):
    """System calls that one event causes: those of many events, less what rest costs."""
    who = processes(node)
    ip, cidrs = "192.168.1.180", ("10.99.0.0/24", "10.99.1.0/24")

    def change(i):
        cidr = cidrs[i % 2]
        lab.api.patch("nodes", "event", {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}})

    def heartbeat(i):
        lab.api.patch("nodes", "event", {"status": {"conditions": [
            {"type": "Ready", "status": "True", "lastHeartbeatTime": f"2026-01-01T00:00:{i:02}Z"}
        ]}}, subresource="status")

    def label(i):
        lab.api.patch("nodes", "event", {"metadata": {"labels": {"n": str(i)}}})

    def add_and_delete(i):
        lab.api.create(node_object(f"event{i}", ip, cidrs[0]))
        time.sleep(0.15)
        lab.api.delete("nodes", f"event{i}")

    line("system calls for one event", *who)
    for what, act in (("add, status, delete (3 events)", add_and_delete),
                      ("CIDR change", change), ("heartbeat", heartbeat), ("label", label)):
        if act is change:
            lab.api.create(node_object("event", ip, cidrs[1]))
            time.sleep(SETTLE_S)
        with counted(who.values()) as calls:
            begin = time.monotonic()
            for i in range(times):
                act(i)
                time.sleep(0.15)
            took = time.monotonic() - begin
        line(what, *(per_event(sum(calls[p].values()), rest[p] * took, times)
                     for p in who.values()))
        for name, pid in who.items():
            print(f"    {name}: {shown(calls[pid])} for {times}")
    lab.api.delete("nodes", "event")


def per_event(calls, at_rest, times):
    """Rest varies from second to second (back-offs come in waves): where it is much, no figure."""
    return f"{(calls - at_rest) / times:.1f}" if at_rest < times else "lost in rest"


def print_spread(what, samples):
    ms = sorted(1000 * s for s in samples)
    line(what, f"{ms[0]:.2f}", f"{statistics.median(ms):.2f}", f"{ms[int(len(ms) * .95)]:.2f}")


# --- the parts ---


def part_rest(path, args):
    with a_lab("benchr", 3, path) as lab:
        print("three nodes, sessions up; figures of node1")
        time.sleep(SETTLE_S)
        rest = print_rest(lab.node(1), args.seconds)
        print_event_cost(lab, lab.node(1), rest)


def part_delay(path, _):
    with a_lab("benchd", 3, path) as lab:
        tap = Tap(lab.node(1))
        print("three nodes: from the packet to the kernel, ms")
        line("", "least", "median", "95 of 100")
        added, deleted, server = [], [], []
        for i in range(100):
            ip = f"192.168.1.{100 + i % 50}"
            tap.drain()
            sent = time.time()
            lab.api.create(node_object("one", ip, "10.99.0.0/24"))
            done = until(lambda: tap.is_member(NODES, ip, None))
            seen = [t for t in tap.arrived(6443) if t < done]
            server.append(seen[-1] - sent)
            added.append(done - seen[-1])
            tap.drain()
            lab.api.delete("nodes", "one")
            done = until(lambda: not tap.is_member(NODES, ip, None))
            deleted.append(done - [t for t in tap.arrived(6443) if t < done][-1])
        print_spread("Node added: event to set member", added)
        print_spread("Node deleted: event to member gone", deleted)
        print_spread("(write to the API server to event)", server)
        print_update_delay(lab, tap)
        tap.close()


def print_update_delay(lab, tap):
    """A GoBGP that the agents take for one more node."""
    peer = lab.peer("router", "gobgp", asn=64512, prefixes=["10.60.0.0/24"])
    lab.api.create(node_object("router", peer.ip, "10.61.0.0/24"))
    lab.eventually(lab.node(1).routes, "proto", "17", has={"10.60.0.0/24": {}}, within=30)
    from_peer = lambda payload: payload[:16] == BGP_MARKER and payload[18] == 2  # noqa: E731
    came, left = [], []
    for i in range(50):
        prefix = f"10.62.{i}.0/24"
        for verb, samples in (("add", came), ("del", left)):
            tap.drain()
            peer.exec("gobgp", "global", "rib", verb, prefix, "nexthop", peer.ip)
            done = tap.route_seen(prefix)
            samples.append(done - [t for t in tap.arrived(179, from_peer) if t < done][0])
    print_spread("UPDATE to kernel route", came)
    print_spread("withdrawal to route gone", left)


def part_scale(path, args):
    for n in args.nodes:
        with a_lab(f"benchs{n}", 1, None) as lab:
            scale_one(lab, lab.node(1), n, path, args)


def scale_one(lab, node, n, path, args):
    print(f"one node, {n} Node objects whose routers are dead")
    node.exec("ip", "addr", "add", "192.168.1.1/16", "dev", "eth0")
    node.exec("ip", "addr", "del", "192.168.1.1/24", "dev", "eth0")
    node.exec("ip", "route", "replace", "default", "via", "192.168.1.254")
    dead = [dead_ip(i) for i in range(n)] + ["192.168.1.180"]
    node.exec("ip", "-batch", "-", text="".join(
        f"neigh replace {ip} lladdr {DEAD_MAC} dev eth0 nud permanent\n" for ip in dead))
    for i in range(n):
        lab.api.create(node_object(f"dead{i}", dead_ip(i), dead_cidr(i)))
    tap = Tap(node)
    begin = time.time()
    agents.start(node.host, path, [])
    all_there = lambda: tap.is_member(PODS, dead_cidr(0)[:-3], 24) and all(  # noqa: E731
        tap.is_member(NODES, dead_ip(i), None) for i in reversed(range(n)))
    line("from exec to all members in the sets, ms", f"{1000 * (until(all_there, 60) - begin):.0f}")
    tap.close()
    time.sleep(SETTLE_S)
    who = processes(node)
    line("memory rss 2 s after start, kB", *(memory(p)["rss"] for p in who.values()))
    line("CPU so far, ms", *(f"{1000 * cpu_s(p):.1f}" for p in who.values()))
    time.sleep(args.settle)
    rest = print_rest(node, args.seconds)
    print_event_cost(lab, node, rest)


def part_churn(path, _):
    with a_lab("benchc", 1, path, "health") as lab:
        print("one Node added and deleted 1,000 times; resident kB")
        node = lab.node(1)
        who = processes(node)
        tap = Tap(node)
        line("rss (dirty)", *who)
        for stop in (0, 100, 500, 1000):
            for i in range({0: 0, 100: 100, 500: 400, 1000: 500}[stop]):
                ip = f"192.168.1.{100 + i % 50}"
                lab.api.create(node_object("one", ip, "10.99.0.0/24"))
                until(lambda: tap.is_member(NODES, ip, None))
                lab.api.delete("nodes", "one")
                until(lambda: not tap.is_member(NODES, ip, None))
            time.sleep(SETTLE_S)
            line(f"after {stop}", *("{rss} ({dirty})".format(**memory(p)) for p in who.values()))
        tap.close()


@contextlib.contextmanager
def a_lab(name, nodes, path, wait="all"):
    """No other lab has this process's number in its name."""
    name = f"{name}p{os.getpid()}"
    try:
        yield testlab.TestLab(labs.up(name, nodes, 1, path, [], wait))
    finally:
        labs.down(name)


PARTS = {"rest": part_rest, "delay": part_delay, "scale": part_scale, "churn": part_churn}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--agent", default=os.path.join(ROOT, "build-bench", "kube-router"))
    p.add_argument("--nodes", default="10,100,1000", help="sizes for scale")
    p.add_argument("--seconds", type=int, default=20, help="how long rest is watched")
    p.add_argument("--settle", type=int, default=60, help="before rest at scale: back-offs grow")
    p.add_argument("--only", default=",".join(PARTS))
    args = p.parse_args()
    args.nodes = [int(n) for n in args.nodes.split(",")]
    need.root()
    if not os.access("/usr/bin/strace", os.X_OK):
        sys.exit("bench/agent.py: strace is missing (package strace)")
    for name in args.only.split(","):
        PARTS[name](os.path.abspath(args.agent), args)


if __name__ == "__main__":
    main()
