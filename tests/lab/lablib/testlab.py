# SPDX-License-Identifier: Apache-2.0
"""What tests hold in their hands: a lab, its nodes and pods, and eventually()."""

import json
import signal
import time

from lablib import agent, api, connect, health, lab as labs, ns, peer, pods, portspec, probe
from lablib.errors import LabError

POLL_S = 0.05


def lacking(want, got, at=""):
    """Where got does not contain want; None if it does. Dictionaries by key, None: the key must
    be absent. Lists: each wanted element must be there, in any order. Else equality."""
    here = at or "the value"
    if isinstance(want, dict):
        if not isinstance(got, dict):
            return f"{here} is {got!r}, not an object"
        for key, value in want.items():
            below = f"{at}.{key}" if at else str(key)
            if value is None:
                if got.get(key) is not None:
                    return f"{below} should be absent, is {got[key]!r}"
            elif key not in got:
                return f"{below} is absent"
            elif (why := lacking(value, got[key], below)) is not None:
                return why
        return None
    if isinstance(want, list):
        if not isinstance(got, list):
            return f"{here} is {got!r}, not a list"
        for element in want:
            if all(lacking(element, g) is not None for g in got):
                return f"{here} has no {element!r}"
        return None
    return None if want == got else f"{here} is {got!r}, want {want!r}"


def eventually(fn, *args, has=None, within=10):
    """Call fn until its value contains `has` (without `has`: until it is true). Returns the value.
    An AssertionError or LabError of fn counts as not yet."""
    limit = time.monotonic() + within
    while True:
        value, why = None, None
        try:
            value = fn(*args)
            if has is not None:
                why = lacking(has, value)
            elif not value:
                why = "the value is not true"
        except (AssertionError, LabError) as e:
            why = f"{type(e).__name__}: {e}"
        if why is None:
            return value
        if time.monotonic() > limit:
            raise AssertionError(f"not within {within} s: {why}\nlast value: {_text(value)}")
        time.sleep(POLL_S)


def _text(value):
    try:
        return json.dumps(value, indent=1, default=str)
    except (TypeError, ValueError):
        return repr(value)


class AgentHandle:
    def __init__(self, host):
        self._host = host

    def start(self, *args, path=None):
        """With arguments: these instead of those before."""
        agent.start(self._host, path, list(args) or None)

    def stop(self):
        return agent.stop(self._host)

    def kill(self):
        return agent.stop(self._host, signal.SIGKILL)

    def restart(self, *args, path=None):
        self.stop()
        self.start(*args, path=path)

    @property
    def pid(self):
        return agent.pid_of(self._host)

    @property
    def state(self):
        return agent.describe(self._host)

    @property
    def log(self):
        with open(self._host.path("agent.log"), encoding="utf-8", errors="replace") as f:
            return f.read()


class Node:
    def __init__(self, lab, host):
        self._lab, self.host = lab, host
        self.name, self.ip, self.pod_cidr = host.name, host.ip, host.pod_cidr
        self.ips, self.pod_cidrs = host.ips, host.pod_cidrs
        self.agent = AgentHandle(host)

    def exec(self, *argv, text=None, check=True, timeout=30):
        """Standard output of a command in the node."""
        return _checked(self.name, argv, ns.run(self.host.pid, argv, text, timeout), check)

    def json(self, *argv):
        return json.loads(self.exec(*argv) or "[]")

    def routes(self, *words):
        """`ip -j route show WORDS`, by destination."""
        return {r["dst"]: r for r in self.json("ip", "-j", "route", "show", *words)}

    def links(self):
        return {link["ifname"]: link for link in self.json("ip", "-j", "-d", "addr", "show")}

    def ipset(self, name):
        """{"type", "header", "members": {member: options}}; None if there is no such set."""
        r = ns.run(self.host.pid, ["ipset", "list", name])
        if r.returncode != 0:
            return None
        head, _, members = r.stdout.partition("Members:\n")
        facts = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
        rows = (line.partition(" ") for line in members.splitlines() if line)
        return {
            "type": facts["Type"],
            "header": facts["Header"],
            "members": {member: options for member, _, options in rows},
        }

    def sessions(self):
        return sorted(health.sessions(self.host))

    def healthz(self):
        return health.http_status(self.host, agent.HEALTH_PORT, "/healthz")

    def show(self, *words):
        """What the operator's command of the agent under test says: kube-router WORDS -o json."""
        return json.loads(self.exec("kube-router", *words, "-o", "json"))


def _checked(who, argv, result, check):
    if check and result.returncode != 0:
        raise AssertionError(
            f"{who}: {' '.join(argv)}: status {result.returncode}\n{result.stdout}{result.stderr}"
        )
    return result.stdout


class PodHandle:
    def __init__(self, lab, pod):
        self._lab, self.pod = lab, pod
        self.name, self.namespace, self.ip, self.ips = pod.name, pod.namespace, pod.ip, pod.ips
        self.full = f"{pod.namespace}/{pod.name}"

    def exec(self, *argv, text=None, check=True, timeout=30):
        return _checked(self.full, argv, self.pod.exec(argv, text, timeout), check)

    def connect(self, to, **how):
        return self._lab.connect(self, to, **how)

    def set_ready(self, ready):
        pods.set_ready(self._lab.state, self.pod, ready)

    def set_labels(self, **labels):
        """None takes a label away."""
        pods.set_labels(self._lab.state, self.pod, labels)

    def delete(self):
        pods.delete(self._lab.state, self.pod)


class PeerHandle:
    def __init__(self, lab, host):
        self._lab, self.host, self.name, self.ip = lab, host, host.name, host.ip

    def routes(self):
        """Learned best routes by prefix; see lablib.peer.routes()."""
        return {r["prefix"]: r for r in peer.routes(self.host) if r["best"]}

    def exec(self, *argv, check=True, timeout=30):
        return _checked(self.name, argv, ns.run(self.host.pid, argv, None, timeout), check)

    def delete(self):
        peer.delete(self._lab.state, self.name)


class TestLab:
    __test__ = False  # not a test class, in spite of its name

    def __init__(self, state):
        self.state, self.name = state, state.name
        self.api = api.client(state)
        self.eventually = eventually

    @property
    def nodes(self):
        return [Node(self, h) for h in self.state.nodes]

    def node(self, which):
        """By number, 1 and up, or by name."""
        name = f"node{which}" if isinstance(which, int) else which
        return Node(self, self.state.node(name))

    def pod(self, name, namespace="default", node=None, labels=None, ports=pods.PORTS, **more):
        """ports: numbers (TCP and UDP) or words as `./lab pod --port` takes them."""
        node = getattr(node, "name", f"node{node}" if isinstance(node, int) else node)
        ports = [portspec.parse(p) if isinstance(p, str) else p for p in ports]
        made = pods.create(self.state, name, namespace, node, labels, ports, **more)
        return PodHandle(self, made)

    def peer(self, name, kind, **how):
        return PeerHandle(self, peer.create(self.state, name, kind, **how))

    def connect(self, source, to, **how):
        """connect.Answer; source and to may be names or handles."""
        source, to = (getattr(x, "full", getattr(x, "name", x)) for x in (source, to))
        return connect.ask(self.state, source, to, **how)

    def probe(self, source, to, rate=100, seconds=1, **how):
        """probe.Tally; source and to may be names or handles."""
        source, to = (getattr(x, "full", getattr(x, "name", x)) for x in (source, to))
        return probe.run(self.state, source, to, rate, seconds, **how)

    def apply(self, obj):
        return api.apply(self.state, obj)

    def down(self):
        labs.down(self.name)
