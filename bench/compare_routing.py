# SPDX-License-Identifier: Apache-2.0
"""Scenarios of tools/compare for routing. Each is a function of a Side (a program to measure) and
the options, and puts figures into side.row(); SCENARIOS names them. docs/compare.md says what each
row means. Nothing is asserted: a program that never does a thing gets the patience as a figure."""

import contextlib
import os
import time

import measure
from deadnodes import dead_cidr, dead_ip, node_object
from kernelview import KernelView, moment
from lablib import agent as agents, health, lab as labs, testlab
from speaker import Speaker
from stream import Stream

PODS, NODES = "kube-router-pod-subnets", "kube-router-node-ips"
DEAD_MAC = "02:00:00:00:00:01"
EVENT_NODE, EVENT_IP = "event", "192.168.1.180"
CIDRS = ("10.99.0.0/24", "10.99.1.0/24")
GAP_S = 0.2  # between the events of one kind: no coalescing of neighbours
UP_S = 90
ARGS = ("--run-router=true", "--run-firewall=false", "--run-service-proxy=false")


@contextlib.contextmanager
def a_lab(side, nodes, start=True):
    """Namespaces, API server, and agents whose sessions and routes are there. No other lab has
    this process's number in its name."""
    name = f"cmp{os.getpid()}"
    try:
        lab = testlab.TestLab(labs.up(name, nodes, 1, None, ()))
        if start:
            start_all(lab, side)
            health.wait(lab.state, "all", UP_S)
        yield lab
    finally:
        labs.down(name)


def start_all(lab, side, nodes=None):
    for node in nodes or lab.nodes:
        agents.start(node.host, side.path, [*ARGS, *side.args])


# --- start: how long until a new cluster works ---


def start(side, options):
    took = []
    for _ in range(options.rounds):
        with a_lab(side, 3, start=False) as lab:
            begin = time.monotonic()
            start_all(lab, side)
            health.wait(lab.state, "all", UP_S)
            took.append(time.monotonic() - begin)
    side.row("three nodes: start to sessions and routes", "s", took)


# --- rest and events: three nodes with sessions ---


def rest(side, options):
    with a_lab(side, 3) as lab:
        node = lab.node(1)
        time.sleep(options.settle)
        put_rest(side, "three nodes", node, options.seconds)
        put_event_cost(side, "three nodes", lab, node, options)


def put_rest(side, where, node, seconds):
    pids = measure.settled_tree(node)
    side.row(f"{where}: processes", "", [len(pids)])
    side.row(f"{where}: threads", "", [measure.threads(pids)])
    kb = measure.memory(pids)
    side.row(f"{where}: resident memory (RSS)", "kB", [kb["rss"]])
    side.row(f"{where}: the same, shared pages once", "kB", [kb["once"]])
    side.row(f"{where}: CPU since its start", "ms", [1000 * measure.cpu_s(pids)])
    cpu, switches = measure.cpu_s(pids), measure.switches(pids)
    time.sleep(seconds)
    minutes = seconds / 60
    side.row(f"{where}: CPU at rest", "ms/min", [1000 * (measure.cpu_s(pids) - cpu) / minutes])
    side.row(f"{where}: context switches at rest", "/min",
             [(measure.switches(pids) - switches) / minutes])
    with measure.counted(pids) as counts:
        time.sleep(seconds)
    side.row(f"{where}: system calls at rest", "/min", [counts.total / minutes])
    side.row(f"{where}: programs started at rest", "/min", [counts.programs / minutes])
    side.note(f"{where}, at rest: {shown(counts.calls)} in {seconds} s")


def shown(calls):
    top = sorted(calls.items(), key=lambda c: -c[1])[:5]
    return ", ".join(f"{name} {n}" for name, n in top)


def events(lab):
    """name -> function that causes one event; the Node it is about must be there or not."""
    def add_and_delete(_):
        lab.api.create(node_object("passing", "192.168.1.181", "10.99.2.0/24"))
        time.sleep(GAP_S)
        lab.api.delete("nodes", "passing")

    def cidr(i):
        new = CIDRS[i % 2]
        lab.api.patch("nodes", EVENT_NODE, {"spec": {"podCIDR": new, "podCIDRs": [new]}})

    def heartbeat(i):
        condition = {"type": "Ready", "status": "True",
                     "lastHeartbeatTime": f"2026-01-01T00:{i // 60 % 60:02}:{i % 60:02}Z"}
        lab.api.patch("nodes", EVENT_NODE, {"status": {"conditions": [condition]}},
                      subresource="status")

    def label(i):
        lab.api.patch("nodes", EVENT_NODE, {"metadata": {"labels": {"n": str(i)}}})

    return {"Node added and deleted": add_and_delete, "pod CIDR of a Node changed": cidr,
            "heartbeat of a Node": heartbeat, "label of a Node changed": label}


def put_event_cost(side, where, lab, node, options):
    """Counts and CPU of many events less what the same time costs at rest, for one of them."""
    lab.api.create(node_object(EVENT_NODE, EVENT_IP, CIDRS[1]))
    time.sleep(options.settle)
    pids = measure.settled_tree(node)
    with measure.counted(pids) as idle:
        time.sleep(options.seconds / 2)
    cpu = measure.cpu_s(pids)
    time.sleep(options.seconds / 2)
    idle_cpu = (measure.cpu_s(pids) - cpu) / (options.seconds / 2)
    idle_calls = idle.total / (options.seconds / 2)
    for name, act in events(lab).items():
        cpu, begin = measure.cpu_s(pids), time.monotonic()
        act_many(act, options.events)
        spent = measure.cpu_s(pids) - cpu - idle_cpu * (time.monotonic() - begin)
        with measure.counted(pids) as counts:
            begin = time.monotonic()
            act_many(act, options.events)
            took = time.monotonic() - begin
        per_event = (counts.total - idle_calls * took) / options.events
        side.row(f"{where}, {name}: system calls", "", [max(0.0, per_event)])
        side.row(f"{where}, {name}: programs started", "", [counts.programs / options.events])
        side.row(f"{where}, {name}: CPU", "ms", [max(0.0, 1000 * spent / options.events)])
        side.note(f"{where}, {name}: {shown(counts.calls)} for {options.events}")
    lab.api.delete("nodes", EVENT_NODE)


def act_many(act, times, gap=GAP_S):
    for i in range(times):
        act(i)
        time.sleep(gap)


# --- scale: one agent, one neighbour that answers, N Nodes whose routers are dead ---


def scale(side, options):
    for n in options.sizes:
        with a_lab(side, 2, start=False) as lab:
            scale_one(side, lab, n, options)


def scale_one(side, lab, n, options):
    where, node = f"{n} Nodes", lab.node(1)
    populate(lab, node, n)
    speaker = Speaker(lab.node(2).host, [lab.node(2).pod_cidr])
    try:
        with KernelView(node) as kernel:
            begin = time.monotonic()
            start_all(lab, side, [node])
            every = [dead_ip(i) for i in reversed(range(n))]
            done = moment(lambda: all(kernel.member(NODES, ip) for ip in every), UP_S)
            side.row(f"{where}: start to all members in the sets", "s", [since(begin, done, UP_S)])
            if not speaker.wait(UP_S):
                side.note(f"{where}: no session within {UP_S} s; delays not measured")
                return
            side.row(f"{where}: start to the first session", "s", [time.monotonic() - begin])
            time.sleep(options.settle_scale)
            put_rest(side, where, node, options.seconds_scale)
            put_delays(side, where, lab, kernel, speaker, options)
        put_event_cost(side, where, lab, node, options)
    finally:
        speaker.stop()


def populate(lab, node, n):
    """The dead have permanent neighbour entries, so that what is sent to them vanishes as it does
    when a machine is off."""
    node.exec("ip", "addr", "add", f"{node.ip}/16", "dev", "eth0")
    node.exec("ip", "addr", "del", f"{node.ip}/24", "dev", "eth0")
    node.exec("ip", "route", "replace", "default", "via", "192.168.1.254")
    dead = [*(dead_ip(i) for i in range(n)), EVENT_IP, "192.168.1.181"]
    node.exec("ip", "-batch", "-", text="".join(
        f"neigh replace {ip} lladdr {DEAD_MAC} dev eth0 nud permanent\n" for ip in dead))
    for i in range(n):
        lab.api.create(node_object(f"dead{i}", dead_ip(i), dead_cidr(i)))


def since(begin, done, patience):
    return patience if done is None else done - begin


class Delays:
    """Samples of one kind; the first that took all our patience is the last."""

    def __init__(self, patience):
        self.patience, self.samples, self.over = patience, [], False

    def add(self, begin, done):
        self.over = self.over or done is None
        self.samples.append(since(begin, done, self.patience))

    def put(self, side, what):
        side.row(what, "ms", [1000 * s for s in self.samples], self.over)


def put_delays(side, where, lab, kernel, speaker, options):
    put_set_delays(side, where, lab, kernel, options)
    put_update_delays(side, where, kernel, speaker, options)
    put_route_delays(side, where, lab, kernel, speaker, options)


def put_set_delays(side, where, lab, kernel, options):
    added, deleted = Delays(options.patience), Delays(options.patience)
    for _ in range(options.samples):
        begin = time.monotonic()
        lab.api.create(node_object("one", "192.168.1.181", "10.99.2.0/24"))
        added.add(begin, moment(lambda: kernel.member(NODES, "192.168.1.181"), options.patience))
        begin = time.monotonic()
        lab.api.delete("nodes", "one")
        if added.over:  # what never came cannot be seen to go
            break
        gone = moment(lambda: not kernel.member(NODES, "192.168.1.181"), options.patience)
        deleted.add(begin, gone)
        if deleted.over:
            break
    added.put(side, f"{where}: Node added to member of the set")
    if deleted.samples:
        deleted.put(side, f"{where}: Node deleted to member gone")


def put_update_delays(side, where, kernel, speaker, options):
    came, left = Delays(options.patience), Delays(options.patience)
    for i in range(options.samples):
        prefix = f"10.62.{i}.0/24"
        for act, there, delays in ((speaker.announce, True, came),
                                   (speaker.withdraw, False, left)):
            kernel.drain()
            begin = time.monotonic()
            act(prefix)
            delays.add(begin, kernel.route(prefix, there, options.patience))
    came.put(side, f"{where}: UPDATE to kernel route")
    left.put(side, f"{where}: withdrawal to route gone")


def put_route_delays(side, where, lab, kernel, speaker, options):
    """The Node of the neighbour goes and comes again."""
    there, cidr = lab.api.get("nodes", "node2"), lab.node(2).pod_cidr
    there["metadata"] = {k: there["metadata"][k] for k in ("name", "labels")}
    came, left = Delays(options.patience), Delays(options.patience)
    for _ in range(max(3, options.samples // 5)):
        kernel.drain()
        begin = time.monotonic()
        lab.api.delete("nodes", "node2")
        left.add(begin, kernel.route(cidr, False, options.patience))
        moment(lambda: not speaker.established, options.patience)
        kernel.drain()
        begin = time.monotonic()
        lab.api.create(there)
        came.add(begin, kernel.route(cidr, True, options.patience))
        if came.over or left.over:
            break
    came.put(side, f"{where}: Node added to its route in the kernel")
    left.put(side, f"{where}: Node deleted to its route gone")


# --- restart: packets lost while an agent is away ---


def restart(side, options):
    graceful = "--bgp-graceful-restart=true"
    for how, args in (("by default", ()), ("with graceful restart", (graceful,))):
        with a_lab(side.with_args(*args), 3) as lab:
            here, there = lab.pod("here", node=1), lab.pod("there", node=2)
            first = lab.connect(here, there)
            if first.result != "ok":
                side.note(f"restart {how}: the pods cannot talk: {first.text()}")
                continue
            for what, act in (("restarted", restart_agent), ("killed and started", kill_agent)):
                put_loss(side, f"agent {what}, {how}", lab, here, there, act, options)


def restart_agent(lab):
    lab.node(1).agent.restart()


def kill_agent(lab):
    lab.node(1).agent.kill()
    lab.node(1).agent.start()


def put_loss(side, what, lab, here, there, act, options):
    """Both directions at once; watched until all is as before and some seconds more."""
    lost, gaps = {"to": [], "from": []}, []
    for _ in range(options.rounds):
        streams = {"from": Stream(here, there, options.rate),
                   "to": Stream(there, here, options.rate)}
        with streams["from"], streams["to"]:
            time.sleep(1)
            act(lab)
            health.wait(lab.state, "all", UP_S)
            time.sleep(options.after)
        results = {way: s.result() for way, s in streams.items()}
        for way, result in results.items():
            lost[way].append(result["lost"])
        gaps.append(max(r["gap_ms"] for r in results.values()))
    for way, counts in lost.items():
        side.row(f"{what}: packets lost {way} its pods", "", counts)
    side.row(f"{what}: longest gap", "ms", gaps)


SCENARIOS = {"start": start, "rest": rest, "scale": scale, "restart": restart}
