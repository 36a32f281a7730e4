# SPDX-License-Identifier: Apache-2.0
"""Pods: the work of a kubelet, for pods that hold one program which answers on ports.

Object in the API (Pending) -> network namespace in the node -> CNI ADD -> responder -> status
(Running, Ready, the addresses that CNI gave). What DEL will need stands in NODE/pods/NS_NAME.json.
"""

import contextlib
import glob
import os
import signal
import time
import uuid

from lablib import agent, api, cni, guest_inside, infra, ns, plan, portspec, state
from lablib.errors import LabError

PORT = 80
PORTS = (80, 8080)
CNI_READY_S = 20
LISTEN_S = 10


class Pod:
    def __init__(self, node, facts):
        self.node, self.facts = node, facts
        self.name, self.namespace = facts["name"], facts["namespace"]
        self.key = plan.pod_key(self.namespace, self.name)
        self.ips = facts.get("ips", [])
        self.host_network = facts.get("host_network", False)

    @property
    def ip(self):
        return self.ips[0] if self.ips else None

    @property
    def netns(self):
        """The pod's network namespace as this machine sees it."""
        if self.host_network:
            return f"/proc/{self.node.pid}/ns/net"
        return f"/proc/{self.node.pid}/root{ns.NETNS_DIR}/{self.key}"

    def exec(self, argv, text=None, timeout=30):
        """With the pod's own /sys, which is what `ip netns exec` adds."""
        return ns.run(self.node.pid, self.entry() + list(argv), text, timeout)

    def entry(self):
        return [] if self.host_network else ["ip", "netns", "exec", self.key]


def _file(node, key):
    return node.path("pods", f"{key}.json")


def on_node(node):
    out = []
    for path in sorted(glob.glob(_file(node, "*"))):
        facts = state.read_json(path)
        if facts is not None:  # else deleted between the two
            out.append(Pod(node, facts))
    return out


def every(lab):
    return [p for node in lab.nodes for p in on_node(node)]


def find(lab, name, namespace="default"):
    """By NAME or NAMESPACE/NAME; None if there is no such pod."""
    if "/" in name:
        namespace, _, name = name.partition("/")
    key = plan.pod_key(namespace, name)
    return next((p for p in every(lab) if p.key == key), None)


def _object(node, name, namespace, labels, ports, host_network):
    spec = {
        "nodeName": node.name,
        "containers": [
            {
                "name": "responder",
                "image": "lab/responder",
                "ports": [p.container_port(host_network) for p in ports],
            }
        ],
    }
    if host_network:
        spec["hostNetwork"] = True
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
        "status": {"phase": "Pending", "hostIP": node.ip},
    }


def _ready_status(node, ips):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    true = {"status": "True", "lastTransitionTime": now}
    return {
        "phase": "Running",
        "hostIP": node.ip,
        "hostIPs": [{"ip": ip} for ip in node.ips],
        "podIP": ips[0],
        "podIPs": [{"ip": ip} for ip in ips],
        "startTime": now,
        "conditions": [
            {"type": t, **true} for t in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ],
        "containerStatuses": [
            {
                "name": "responder",
                "image": "lab/responder",
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
        ],
    }


def create(lab, name, namespace="default", node_name=None, labels=None, ports=PORTS,
           host_network=False):
    """Returns the pod when it answers. A pod that fails half-way is taken back.
    ports: portspec.Port, or numbers, which stand for TCP and UDP."""
    plan.k8s_name("pod", name)
    plan.k8s_name("namespace", namespace)
    ports = portspec.expand(ports)
    if any(p.proto == "SCTP" for p in ports):
        portspec.need_sctp()
    key = plan.pod_key(namespace, name)
    facts = {"name": name, "namespace": namespace, "container": uuid.uuid4().hex, "conf": None}
    facts["host_network"] = host_network
    with state.file_lock(os.path.join(lab.dir, "pods.lock")):
        if find(lab, name, namespace):
            raise LabError(f"pod {namespace}/{name} exists already")
        node = lab.node(node_name) if node_name else _emptiest(lab)
        node.need_alive()
        state.write_json(_file(node, key), facts)
    pod = Pod(node, facts)
    try:
        api.need_namespace(lab, namespace)
        api.create(lab, _object(node, name, namespace, labels or {}, ports, host_network))
        facts["object"] = True
        if host_network:
            _run_on_node(pod, ports)
        else:
            _connect(pod, ports)
        api.set_status(lab, "pods", name, _ready_status(node, pod.ips), namespace)
    except BaseException:
        delete(lab, pod, forced=True)
        raise
    return pod


def set_ready(lab, pod, ready):
    """What a readiness probe would do; the pod goes on answering."""
    status = api.get(lab, "pods", pod.name, pod.namespace)["status"]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for condition in status.get("conditions", []):
        if condition["type"] in ("Ready", "ContainersReady"):
            condition.update(status="True" if ready else "False", lastTransitionTime=now)
    for container in status.get("containerStatuses", []):
        container["ready"] = ready
    change = {k: status[k] for k in ("conditions", "containerStatuses") if k in status}
    api.set_status(lab, "pods", pod.name, change, pod.namespace)


def set_labels(lab, pod, labels):
    """A value of None takes the label away."""
    api.patch(lab, "pods", pod.name, {"metadata": {"labels": labels}}, pod.namespace)


def _emptiest(lab):
    return min(lab.nodes, key=lambda n: (len(glob.glob(_file(n, "*"))), n.facts["n"]))


def _run_on_node(pod, ports):
    """On the host network: no network namespace, no CNI, the node's addresses."""
    node, facts = pod.node, pod.facts
    pod.ips = facts["ips"] = list(node.ips)
    facts["pid"] = serve(node, pod.name, ports, None)
    facts["started"] = state.start_time(facts["pid"])
    state.write_json(_file(node, pod.key), facts)


def _connect(pod, ports):
    node, facts = pod.node, pod.facts
    facts["conf"] = agent.wait_cni_ranges(node, guest_inside.patience(CNI_READY_S))
    for argv in (
        ["ip", "netns", "add", pod.key],
        ["ip", "-n", pod.key, "link", "set", "lo", "up"],
    ):
        _must(node, argv)
    state.write_json(_file(node, pod.key), facts)  # before ADD: DEL must be possible after a crash
    with infra.inside(pod.netns):
        infra.no_dad()
    result = cni.add(node, facts["conf"], facts["container"], f"{ns.NETNS_DIR}/{pod.key}")
    facts["result"], facts["ips"] = result, cni.addresses(result)
    pod.ips = facts["ips"]
    if not pod.ips:
        raise LabError(f"pod {pod.namespace}/{pod.name}: CNI gave it no address: {result}")
    state.write_json(_file(node, pod.key), facts)
    serve(node, pod.name, ports, pod.netns)


def serve(node, name, ports, netns_path):
    """Start a responder in a network namespace of the node and wait until it listens."""
    ports = portspec.expand(ports)
    words = ["/usr/bin/python3", "-IS", ns.seen(infra.RESPONDER), name, *map(str, ports)]
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    pid = ns.spawn(node.pid, words, env, node.path("responders.log"), netns_path)
    wanted = {(p.proto, p.number) for p in ports}
    limit = time.monotonic() + guest_inside.patience(LISTEN_S)
    while not wanted <= portspec.listening(pid):
        if agent.wait_gone(pid, 0.01):
            raise LabError(f"{node.name}: responder of {name} ended; {node.path('responders.log')}")
        if time.monotonic() > limit:
            raise LabError(f"{node.name}: responder of {name} does not listen")
    return pid


def delete(lab, pod, forced=False):
    """As a kubelet does: the object is marked as going, the program stopped, CNI DEL, the
    namespace removed, and only then the object."""
    node, facts = pod.node, pod.facts
    problems = []
    if facts.get("object"):
        with contextlib.suppress(LabError):  # the API server may be down: the pod goes all the same
            api.delete(lab, "pods", pod.name, pod.namespace, grace_s=1)
    if "pid" in facts and state.start_time(facts["pid"]) == facts["started"]:
        os.kill(facts["pid"], signal.SIGKILL)
    if node.alive() and os.path.exists(pod.netns) and not pod.host_network:
        _kill_all(node, pod.key)
        if facts.get("conf"):
            try:
                netns = f"{ns.NETNS_DIR}/{pod.key}"
                cni.delete(node, facts["conf"], facts["container"], netns, facts.get("result"))
            except LabError as e:
                problems.append(str(e))
        ns.run(node.pid, ["ip", "netns", "del", pod.key])
    if facts.get("object"):
        try:
            api.delete(lab, "pods", pod.name, pod.namespace, grace_s=0)
        except LabError as e:
            problems.append(str(e))
    os.unlink(_file(node, pod.key))
    if problems and not forced:
        raise LabError("; ".join(problems))


def _kill_all(node, key):
    """Everything that lives in the pod's network namespace."""
    r = _must(node, ["ip", "netns", "pids", key])
    for word in r.stdout.split():
        ns.run(node.pid, ["kill", "-KILL", word])


def _must(node, argv):
    r = ns.run(node.pid, argv)
    if r.returncode != 0:
        raise LabError(f"{node.name}: {' '.join(argv)}: {r.stderr.strip()}")
    return r
