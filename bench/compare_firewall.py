# SPDX-License-Identifier: Apache-2.0
"""Scenario of tools/compare for NetworkPolicy: one node, N Pod objects and a policy for each ten of
them, and two pods that are real, between which connections are tried without pause. One of them has
a second address, which an API object alone claims for itself: a pod that comes and goes without a
CNI plugin in the figure. Rows are in docs/compare.md; nothing is asserted."""

import contextlib
import errno
import os
import socket
import struct
import time

from compare_routing import Delays, act_many, put_rest, shown
import measure
from kernelview import moment
from lablib import agent as agents, health, lab as labs, ns, testlab

UP_S = 180
LOCAL_MAX = 100   # pods of the N on the measured node: what one node has at most, by default
PODS_PER_NAMESPACE = 100
APPS = 10         # labels app=a0..a9 in each namespace; a policy lets one into another
TRY_S = 0.03      # an answer that takes longer is none
SECOND_IP = "172.20.0.250"
LINGER_NOW = struct.pack("ii", 1, 0)
ARGS = ("--run-router=true", "--run-firewall=true", "--run-service-proxy=false")

DENY = {"metadata": {"name": "deny", "namespace": "default"}, "kind": "NetworkPolicy",
        "apiVersion": "networking.k8s.io/v1",
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}}
ACCESS = {"metadata": {"name": "access", "namespace": "default"}, "kind": "NetworkPolicy",
          "apiVersion": "networking.k8s.io/v1",
          "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"],
                   "ingress": [{"from": [{"podSelector": {"matchLabels": {"access": "true"}}}]}]}}


@contextlib.contextmanager
def one_node():
    name = f"cmp{os.getpid()}"
    try:
        yield testlab.TestLab(labs.up(name, 1, 1, None, ()))
    finally:
        labs.down(name)


def start(lab, side, args):
    """False, with a note, if the program says that it cannot do what is to be measured."""
    node = lab.node(1)
    agents.start(node.host, side.path, [*args, *side.args])
    health.wait(lab.state, "all", UP_S)
    for flag in ("--run-firewall", "--run-service-proxy"):
        if f"{flag}=true" in args and f"{flag} has no effect yet" in node.agent.log:
            side.not_yet(f"{flag} has no effect")
            return False
    return True


def firewall(side, options):
    for n in options.sizes:
        with one_node() as lab:
            firewall_one(side, lab, n, options)


def firewall_one(side, lab, n, options):
    where, node = f"{n} pods, {max(1, n // 10)} policies", lab.node(1)
    populate(lab, node, n)
    if not start(lab, side, ARGS):
        return
    here, web = lab.pod("here", node=1), lab.pod("web", node=1, labels={"app": "web"})
    asker = Asker(here, web.ip)
    if moment(lambda: asker.ok() is True, UP_S) is None:
        side.note(f"{where}: pods without a policy cannot talk within {UP_S} s")
        return
    time.sleep(options.settle)
    put_rest(side, where, node, options.seconds)
    put_policy_delays(side, where, lab, asker, options)
    lab.api.create(ACCESS)
    if moment(lambda: asker.ok() is False, UP_S) is None:
        side.note(f"{where}: the policy is not enforced within {UP_S} s")
        return
    put_label_delays(side, where, here, asker, options)
    put_pod_delays(side, where, lab, here, web.ip, options)
    put_cost(side, f"{where}, label of a selected pod changed", node, options,
             lambda i: here.set_labels(access="true" if i % 2 == 0 else None))
    lab.api.delete("networkpolicies", "access", "default")
    put_cost(side, f"{where}, policy added or deleted", node, options,
             lambda i: _toggle(lab, i))


def _toggle(lab, i):
    if i % 2 == 0:
        lab.api.create(DENY)
    else:
        lab.api.delete("networkpolicies", "deny", "default")


def populate(lab, node, n):
    for i in range(-(-n // PODS_PER_NAMESPACE)):
        lab.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"ns{i}"}})
    for i in range(n):
        local = i < LOCAL_MAX
        address = f"172.20.0.{100 + i}" if local else f"10.100.{i // 250}.{1 + i % 250}"
        lab.api.create(pod_object(i, node if local else None, address))
    for i in range(max(1, n // 10)):
        lab.api.create(policy_object(i, n))


def pod_object(i, node, address):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": f"pod{i}", "namespace": f"ns{i // PODS_PER_NAMESPACE}",
                         "labels": {"app": f"a{i % APPS}", "tier": "t"}},
            "spec": {"nodeName": node.name if node else "elsewhere",
                     "containers": [{"name": "c", "image": "i"}]},
            "status": pod_status(node.ip if node else "192.168.1.180", address)}


def pod_status(host, address):
    ready = [{"type": t, "status": "True"} for t in ("PodScheduled", "Initialized", "Ready")]
    return {"phase": "Running", "hostIP": host, "podIP": address, "podIPs": [{"ip": address}],
            "conditions": ready}


def policy_object(i, n):
    """Selects one app of a namespace; lets the next app in, on one port."""
    namespace = i * 10 // PODS_PER_NAMESPACE % -(-n // PODS_PER_NAMESPACE)
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": f"policy{i}", "namespace": f"ns{namespace}"},
            "spec": {"podSelector": {"matchLabels": {"app": f"a{i % APPS}"}},
                     "policyTypes": ["Ingress"],
                     "ingress": [{"from": [{"podSelector": {
                         "matchLabels": {"app": f"a{(i + 1) % APPS}"}}}],
                         "ports": [{"port": 80, "protocol": "TCP"}]}]}}


class Asker:
    """Connections from one pod to port 80 of an address, from this process. source: another
    address of the pod than its first."""

    def __init__(self, pod, address, source=""):
        self.netns, self.address, self.source = pod.pod.netns, address, source

    def ok(self):
        """True: answered; False: refused or nothing heard; None: something else was wrong."""
        fd = os.open(self.netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with ns.inside_net(fd):
                s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        finally:
            os.close(fd)
        with s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOW)
            s.settimeout(TRY_S)
            s.bind((self.source, 0))
            try:
                s.connect((self.address, 80))
                return True
            except socket.timeout:
                return False
            except OSError as e:
                denied = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES)
                return False if e.errno in denied else None


def put_policy_delays(side, where, lab, asker, options):
    closed, opened = Delays(options.patience), Delays(options.patience)
    for _ in range(max(3, options.samples // 3)):
        begin = time.monotonic()
        lab.api.create(DENY)
        closed.add(begin, moment(lambda: asker.ok() is False, options.patience))
        begin = time.monotonic()
        lab.api.delete("networkpolicies", "deny", "default")
        opened.add(begin, moment(lambda: asker.ok() is True, options.patience))
        if closed.over or opened.over:
            break
        time.sleep(options.gap)
    closed.put(side, f"{where}: policy added to packets denied")
    opened.put(side, f"{where}: policy deleted to packets passing")


def put_label_delays(side, where, here, asker, options):
    came, left = Delays(options.patience), Delays(options.patience)
    for _ in range(max(3, options.samples // 3)):
        begin = time.monotonic()
        here.set_labels(access="true")
        came.add(begin, moment(lambda: asker.ok() is True, options.patience))
        begin = time.monotonic()
        here.set_labels(access=None)
        left.add(begin, moment(lambda: asker.ok() is False, options.patience))
        if came.over or left.over:
            break
        time.sleep(options.gap)
    came.put(side, f"{where}: label that grants access to packets passing")
    left.put(side, f"{where}: label taken away to packets denied")


def put_pod_delays(side, where, lab, here, target, options):
    """A Pod object whose address no policy knew comes, with the label that grants access, and goes."""
    here.exec("ip", "addr", "add", f"{SECOND_IP}/24", "dev", "eth0")
    asker = Asker(here, target, SECOND_IP)
    fresh = pod_object(0, lab.node(1), SECOND_IP)
    fresh["metadata"] = {"name": "fresh", "namespace": "default", "labels": {"access": "true"}}
    came, left = Delays(options.patience), Delays(options.patience)
    for _ in range(max(3, options.samples // 3)):
        time.sleep(options.gap)
        begin = time.monotonic()
        lab.api.create(fresh)
        came.add(begin, moment(lambda: asker.ok() is True, options.patience))
        time.sleep(options.gap)
        begin = time.monotonic()
        lab.api.delete("pods", "fresh", "default")
        left.add(begin, moment(lambda: asker.ok() is False, options.patience))
        if came.over or left.over:
            break
    came.put(side, f"{where}: new Pod that has access to packets passing")
    left.put(side, f"{where}: that Pod deleted to packets denied")


def put_cost(side, what, node, options, act):
    """Counts and CPU of events far enough apart that none is coalesced, less the cost of rest."""
    times = max(4, options.events // 4 * 2)
    act(0)
    act(1)
    time.sleep(options.gap)
    pids = measure.tree(node)[:1]
    with measure.counted(pids) as idle:
        time.sleep(options.gap * 2)
    with measure.counted(pids) as counts:
        begin = time.monotonic()
        act_many(act, times, options.gap)
        took = time.monotonic() - begin
    calls = counts.total - idle.total * took / (options.gap * 2)
    programs = counts.programs - idle.programs * took / (options.gap * 2)
    side.row(f"{what}: system calls", "", [max(0.0, calls / times)])
    side.row(f"{what}: programs started", "", [max(0.0, programs / times)])
    side.note(f"{what}: {shown(counts.calls)} for {times}")
    begin, cpu = time.monotonic(), measure.cpu_s(pids)
    time.sleep(options.gap * 2)
    idle_cpu = (measure.cpu_s(pids) - cpu) / (time.monotonic() - begin)
    begin, cpu = time.monotonic(), measure.cpu_s(pids)
    act_many(act, times, options.gap)
    spent = measure.cpu_s(pids) - cpu - idle_cpu * (time.monotonic() - begin)
    side.row(f"{what}: CPU, with that of the programs", "ms", [max(0.0, 1000 * spent / times)])


SCENARIOS = {"firewall": firewall}
