#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""The demonstration: three nodes, two pods on each, everything the user's guide tells people to
look at. Each command is printed as it can be typed. Ends at the first thing that is not as it
should be, with exit status 1.

    tests/lab/demo.py [--name LAB] [--keep] [--kernel K] [--agent PATH [AGENT ARGS...]]

The steps about NetworkPolicy and Services are walked when the agent's arguments turn those on, as
`make walk` does with the Go kube-router.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))

from lablib import clean, state  # noqa: E402

NODES = (1, 2, 3)
PODS = {"red": 1, "blue": 2, "green": 3, "cyan": 1, "lime": 2, "gold": 3}
COLOUR = sys.stdout.isatty()
# How long the program may need to do what an object says: emulated kernels are slow.
PATIENCE_S = 90

BACKENDS = {"web-1": 1, "web-2": 2, "web-3": 3}

DENY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: default}
spec:
  podSelector: {}
  policyTypes: [Ingress]
"""
ACCESS = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: access-web, namespace: default}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - podSelector: {matchLabels: {access: "true"}}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, protocol: TCP}]
"""


class Failed(Exception):
    pass


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def step(title):
    print(f"\n{paint('1', title)}")


def good(text):
    print(f"  {paint('32', '✓')} {text}")


def need(condition, done, otherwise):
    if not condition:
        raise Failed(otherwise)
    good(done)


def turned_on(agent, flag):
    """Whether a boolean flag of the agent's is on, as its last mention says."""
    value = False
    for word in agent or []:
        name, _, given = word.lstrip("-").partition("=")
        if name == flag:
            value = given.lower() in ("", "1", "t", "true")
    return value


class Demo:
    def __init__(self, name, agent, kernel):
        self.name, self.agent, self.kernel = name, agent, kernel
        self.links = self._links()
        self.ips = {}

    @staticmethod
    def _links():
        """Links of the machine's own network namespace: the lab must not add any."""
        out = subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True)
        return sorted(link["ifname"] for link in json.loads(out.stdout))

    def lab(self, verb, *words, quiet=False, stdin=None):
        """Run ./lab and return its output; a failure ends the demonstration."""
        named = [] if self.name == "lab" else ["--name", self.name]
        argv = ["./lab", verb, *named, *map(str, words)]
        if not quiet:
            print(f"  {paint('36', '$ ' + shlex.join(argv))}")
            for line in (stdin or "").strip().splitlines():
                print(f"    {line}")
        r = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, input=stdin)
        # The outcome of a connection is also the exit status: no failure of the command.
        if r.returncode != 0 and not (verb == "connect" and r.stdout):
            raise Failed(f"{shlex.join(argv)}\n{r.stdout}{r.stderr}".rstrip())
        if not quiet:
            for line in r.stdout.rstrip().splitlines():
                print(f"    {line}")
        return r.stdout

    def up(self):
        step("A cluster of three nodes")
        self.lab("down", quiet=True)  # what a failed demonstration may have left
        start = time.monotonic()
        words = ["--kernel", self.kernel] if self.kernel else []
        words += ["--agent", *self.agent] if self.agent else []
        self.lab("up", "--nodes", len(NODES), *words)
        good(f"all agents healthy, sessions and routes in place, {time.monotonic() - start:.1f} s")
        self.lab("get", "nodes")
        found = json.loads(self.lab("status", "-o", "json", quiet=True))
        need(
            [n["name"] for n in found["nodes"]] == [f"node{n}" for n in NODES]
            and all(n["agent"]["state"] == "running" for n in found["nodes"]),
            "three nodes, an agent runs on each",
            f"not every node has a running agent: {found}",
        )

    def pods(self):
        step("Two pods on each node, addresses by CNI from what the agent wrote")
        for pod, n in PODS.items():
            words = self.lab("pod", pod, "--node", f"node{n}").split()
            self.ips[pod] = words[2]
            if not words[2].startswith(f"172.20.{n - 1}."):
                raise Failed(f"pod {pod} has {words[2]}: not in node{n}'s 172.20.{n - 1}.0/24")
        good("every pod has an address of its node's pod CIDR")

    def pings(self):
        pairs = [(a, b) for a in PODS for b in PODS if a != b]
        step(f"Every pod pings every other pod: {len(pairs)} pairs")
        for i, (a, b) in enumerate(pairs):
            ping = ["--", "ping", "-n", "-c", "1", "-W", "2", self.ips[b]]
            out = self.lab("exec", a, *ping, quiet=i > 0)
            if " 0% packet loss" not in out:
                raise Failed(f"{a} cannot ping {b}:\n{out}")
        good(f"{len(pairs)} of {len(pairs)} answered")
        out = self.lab("connect", "red", "blue").split()
        need(
            out == ["ok", self.ips["red"]],
            "a connection to a pod on another node keeps its source address",
            f"red to blue: {out}, want ok {self.ips['red']}",
        )

    def routes(self):
        step("Routes: the other nodes' pod CIDRs, protocol 17, and the own one on kube-bridge")
        for n in NODES[:2]:
            out = self.lab("exec", f"node{n}", "--", "ip", "route")
            have = [" ".join(line.split()) for line in out.splitlines()]
            mine = f"172.20.{n - 1}"
            want = [f"{mine}.0/24 dev kube-bridge proto kernel scope link src {mine}.1"]
            for other in NODES:
                if other != n:
                    want.append(f"172.20.{other - 1}.0/24 via 192.168.1.{other} dev eth0 proto 17")
            for route in want:
                if route not in have:
                    raise Failed(f"node{n} has no route: {route}")
            good(f"node{n}: {len(want)} routes as they should be")

    def sessions(self):
        step("BGP sessions on port 179, by the program kube-router")
        for n in NODES:
            out = self.lab("exec", f"node{n}", "--", "ss", "-Htnp", "state", "established")
            peers = set()
            for line in out.splitlines():
                if '"kube-router"' not in line:
                    continue
                ends = re.findall(r"(192\.168\.1\.\d+):(\d+)", line)
                if len(ends) == 2 and "179" in (ends[0][1], ends[1][1]):
                    peers.add(ends[1][0])
            want = {f"192.168.1.{other}" for other in NODES if other != n}
            need(
                peers == want,
                f"node{n}: established with {' and '.join(sorted(want))}",
                f"node{n}: sessions of kube-router with {sorted(peers)}, want {sorted(want)}",
            )

    def ipsets(self):
        step("Sets: all pod CIDRs, all node addresses")
        want = {
            "kube-router-pod-subnets": ("hash:net", {f"172.20.{n - 1}.0/24" for n in NODES}),
            "kube-router-node-ips": ("hash:ip", {f"192.168.1.{n}" for n in NODES}),
        }
        for name, (kind, members) in want.items():
            out = self.lab("exec", "node1", "--", "ipset", "list", name)
            head, _, rest = out.partition("Members:\n")
            need(
                f"Type: {kind}\n" in head
                and re.search(r"^Header: family inet .*\btimeout 0\b", head, re.M)
                and set(rest.split("\n")) - {""} == {f"{m} timeout 0" for m in members},
                f"{name}: {kind}, family inet, timeout 0, {len(members)} members",
                f"{name}: want type {kind}, family inet, timeout 0, members {sorted(members)}",
            )

    def wait_connect(self, a, b, want, what):
        """Try a connection until its outcome is one of want, for the program may need a while."""
        end = time.monotonic() + PATIENCE_S
        start = time.monotonic()
        while True:
            out = self.lab("connect", a, b, quiet=True).split()
            if out and out[0] in want:
                break
            if time.monotonic() > end:
                raise Failed(f"{what}: {a} to {b} is {' '.join(out)} after {PATIENCE_S} s")
            time.sleep(0.2)
        self.lab("connect", a, b)
        good(f"{what}: {out[0]}, {time.monotonic() - start:.1f} s after the change")

    def backends(self):
        step("Three web servers, one on each node")
        for pod, n in BACKENDS.items():
            words = self.lab("pod", pod, "--node", f"node{n}", "--labels", "app=web", "--port",
                             "http:80/TCP").split()
            self.ips[pod] = words[2]

    def policies(self):
        step("NetworkPolicy: open; default deny; access=true gets through")
        closed = ("timeout", "refused")
        self.wait_connect("red", "web-2:80", ("ok",), "without a policy every pod may connect")
        self.lab("apply", "-f", "-", stdin=DENY)
        self.wait_connect("red", "web-2:80", closed, "default deny")
        self.lab("apply", "-f", "-", stdin=ACCESS)
        self.lab("pod", "red", "--label", "access=true")
        self.wait_connect("red", "web-2:80", ("ok",), "red has access=true")
        self.wait_connect("blue", "web-2:80", closed, "blue, on the node of web-2, has not")
        self.lab("delete", "-f", "-", stdin=f"{DENY}---{ACCESS}", quiet=True)
        self.wait_connect("blue", "web-2:80", ("ok",), "open again without the policies")

    def virtual_servers(self, node):
        """What ipvsadm shows: {"TCP 10.68.0.1:443 rr persistent 10800": [(server, method, weight)]}

        A mask after the persistence is left out: the Go kube-router gives IPv4 services a wrong one.
        """
        found, current = {}, None
        for line in self.lab("exec", node, "--", "ipvsadm", "-Ln", quiet=True).splitlines():
            words = line.split()
            if words[:1] and words[0] in ("TCP", "UDP", "SCTP"):
                current = found.setdefault(" ".join(words).partition(" mask ")[0], [])
            elif words[:1] == ["->"] and current is not None:
                current.append(tuple(words[1:4]))
        return found

    def services(self):
        step("Services: virtual servers of IPVS")
        self.lab("apply", "-f", "-", stdin=SERVICE)
        found = json.loads(self.lab("get", "services", "web", "-o", "json", quiet=True))
        vip = found["spec"]["clusterIP"]
        web = f"TCP {vip}:80 rr"
        api = "TCP 10.68.0.1:443 rr persistent 10800"
        want = sorted((f"{self.ips[pod]}:80", "Masq", "1") for pod in BACKENDS)
        end = time.monotonic() + PATIENCE_S
        while True:
            have = self.virtual_servers("node1")
            if sorted(have.get(web, [])) == want and have.get(api):
                break
            if time.monotonic() > end:
                raise Failed(f"node1 has {have}, want {web} to {want}, and {api}")
            time.sleep(0.2)
        self.lab("exec", "node1", "--", "ipvsadm", "-Ln")
        good(f"{web}: three endpoints, Masq, weight 1")
        need(
            have[api] == [("192.168.1.250:6443", "Masq", "1")],
            f"{api}: the API server, Masq, weight 1",
            f"{api}: {have[api]}",
        )
        for client in ("red", "node1"):
            for i in range(6):
                out = self.lab("connect", client, f"{vip}:80", quiet=i > 0).split()
                if out[:1] != ["ok"]:
                    raise Failed(f"{client} to the service {vip}:80: {out}")
        # The kernel brings these counters up to date every two seconds.
        end = time.monotonic() + PATIENCE_S
        while sum(conns := self.connections("node1", vip)) < 12 and time.monotonic() < end:
            time.sleep(0.5)
        self.lab("exec", "node1", "--", "ipvsadm", "-Ln", "--stats", "-t", f"{vip}:80")
        need(
            len(conns) == len(BACKENDS) and sum(conns) == 12 and min(conns) >= 2,
            f"12 connections from a pod and a node answered, spread {conns}",
            f"connections of the three endpoints: {conns}",
        )

    def connections(self, node, vip):
        """How many each endpoint of vip:80 was given, as the node's kernel counts."""
        out = self.lab("exec", node, "--", "ipvsadm", "-Ln", "--stats", "-t", f"{vip}:80", quiet=True)
        rows = (line.split() for line in out.splitlines())
        return [int(words[2]) for words in rows if words[:1] == ["->"] and len(words) > 2]

    def down(self):
        step("Nothing is left behind")
        self.lab("down")
        left = clean.leftovers(state.Lab(self.name))
        print(f"  {paint('36', '$ ip netns list; ls ' + state.ROOT)}")
        need(not left, "no namespace, process or file of the lab", f"left: {', '.join(left)}")
        now = self._links()
        need(
            now == self.links,
            "the machine's own links are as before",
            f"links before: {self.links}, now: {now}",
        )


def main():
    p = argparse.ArgumentParser(description="What kube-router does, shown on this machine.")
    p.add_argument("--name", default="demo", metavar="LAB")
    p.add_argument("--keep", action="store_true", help="leave the lab up, to look around")
    p.add_argument("--kernel", help="host, guest or auto, as for ./lab up")
    p.add_argument("--agent", nargs=argparse.REMAINDER, help="PATH [ARGS...]; must come last")
    args = p.parse_args()
    demo = Demo(args.name, args.agent, args.kernel)
    steps = [demo.up, demo.pods, demo.pings, demo.routes, demo.sessions, demo.ipsets]
    firewall = turned_on(args.agent, "run-firewall")
    proxy = turned_on(args.agent, "run-service-proxy")
    if firewall or proxy:
        steps.append(demo.backends)
    if firewall:
        steps.append(demo.policies)
    if proxy:
        steps.append(demo.services)
    try:
        for show in steps:
            show()
        if args.keep:
            print(f"\nThe lab is up; ./lab down --name {args.name} removes it")
        else:
            demo.down()
    except Failed as e:
        sys.stdout.flush()
        print(f"  {paint('31', '✗')} {e}", file=sys.stderr)
        print(f"\nThe lab is still up: ./lab status --name {args.name}, then ./lab down --name"
              f" {args.name}", file=sys.stderr)
        return 1
    print(f"\n{paint('32', 'Everything as the guide says.')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
