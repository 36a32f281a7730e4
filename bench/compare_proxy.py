# SPDX-License-Identifier: Apache-2.0
"""Scenario of tools/compare for Services: one node, N Services with two endpoints each, and one
whose endpoints come and go. Where this machine's kernel lacks IPVS the scenario runs in the guest
kernel (docs/lab-guest.md), whose times are no measure of a machine unless it has KVM. Rows are in
docs/compare.md; nothing is asserted."""

import json
import os
import subprocess
import sys
import time

from compare_firewall import UP_S, one_node, put_cost, start
from compare_routing import Delays, put_rest
from ipvsview import IpvsView
from kernelview import moment
from lablib import need
from lablib.errors import LabError

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ARGS = ("--run-router=true", "--run-firewall=false", "--run-service-proxy=true")
LABEL = "kubernetes.io/service-name"
PORT = 80
PASSED_ON = ("sizes", "seconds", "settle", "samples", "events", "patience", "gap")
GUEST_AT_LEAST = {"patience": 120, "gap": 20}  # seconds; an emulated machine needs them
GUEST_S = 5400


def proxy(side, options):
    if need.missing_feature("ip_vs"):
        in_guest(side, options)
        return
    for n in options.sizes:
        with one_node() as lab:
            proxy_one(side, lab, n, options)


def in_guest(side, options):
    """The same tools/compare, for this one program, inside."""
    name = f"cmpg{os.getpid()}"
    lab = [os.path.join(ROOT, "lab")]
    values = {key: getattr(options, key) for key in PASSED_ON}
    values.update({key: max(values[key], least) for key, least in GUEST_AT_LEAST.items()})
    words = [f"--{key}={_word(value)}" for key, value in values.items()]
    words += [f"--agent-arg={arg}" for arg in side.args]
    try:
        subprocess.run([*lab, "up", "--name", name, "--nodes", "1", "--no-agent", "--kernel",
                        "guest"], check=True, capture_output=True)
        r = subprocess.run([*lab, "guest", "--name", name, "--", sys.executable,
                            os.path.join(ROOT, "tools", "compare"), "--one", side.path, "--only",
                            "proxy", "-o", "json", *words], stdout=subprocess.PIPE, text=True,
                           timeout=GUEST_S, check=False)
    except (subprocess.SubprocessError, OSError) as e:
        raise LabError(f"proxy in a guest kernel: {e}") from None
    finally:
        subprocess.run([*lab, "down", "--name", name], check=False, capture_output=True)
    try:
        found = next(iter(json.loads(r.stdout).values()))
    except (ValueError, StopIteration):
        raise LabError(f"proxy in a guest kernel: status {r.returncode}") from None
    side.rows.update({f"guest kernel, {what}": row for what, row in found["rows"].items()})
    side.notes.extend(f"guest kernel: {text}" for text in found["notes"])
    side.absent.update(found["absent"])
    if r.returncode != 0:
        raise LabError("proxy in a guest kernel: see the note before")


def _word(value):
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def proxy_one(side, lab, n, options):
    where, node = f"{n} Services", lab.node(1)
    for i in range(n):
        vip = f"10.68.{16 + i // 250}.{1 + i % 250}"
        lab.api.create(service_object(f"s{i}", vip))
        lab.api.create(slice_object(f"s{i}", [f"10.100.{i // 125}.{1 + 2 * (i % 125) + k}"
                                              for k in range(2)]))
    lab.api.create(service_object("one", "10.68.8.1"))
    lab.api.create(slice_object("one", ["10.100.200.1"]))
    last = f"10.68.{16 + (n - 1) // 250}.{1 + (n - 1) % 250}"
    begin = time.monotonic()
    if not start(lab, side, ARGS):
        return
    with IpvsView(node) as ipvs:
        done = moment(lambda: len(ipvs.servers(last, PORT)) == 2
                      and ipvs.servers("10.68.8.1", PORT), UP_S * 2)
        if done is None:
            side.note(f"{where}: not all in IPVS within {UP_S * 2} s")
            return
        side.row(f"{where}: start to all in IPVS", "s", [done - begin])
        time.sleep(options.settle)
        put_rest(side, where, node, options.seconds)
        put_endpoint_delays(side, where, lab, ipvs, options)
    put_cost(side, f"{where}, endpoint added or removed", node, options,
             lambda i: set_endpoints(lab, 2 if i % 2 == 0 else 1))


def put_endpoint_delays(side, where, lab, ipvs, options):
    came, left = Delays(options.patience), Delays(options.patience)
    for _ in range(max(3, options.samples // 3)):
        begin = time.monotonic()
        set_endpoints(lab, 2)
        came.add(begin, moment(lambda: ipvs.servers("10.68.8.1", PORT).get("10.100.200.2"),
                               options.patience))
        time.sleep(options.gap)
        begin = time.monotonic()
        set_endpoints(lab, 1)
        left.add(begin, moment(lambda: not ipvs.servers("10.68.8.1", PORT).get("10.100.200.2"),
                               options.patience))
        if came.over or left.over:
            break
        time.sleep(options.gap)
    came.put(side, f"{where}: endpoint added to server of IPVS")
    left.put(side, f"{where}: endpoint removed to no server, or weight 0")


def set_endpoints(lab, count):
    lab.api.patch("endpointslices", "one-a", {"endpoints": endpoints(
        [f"10.100.200.{1 + i}" for i in range(count)])})


def service_object(name, vip):
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"clusterIP": vip, "clusterIPs": [vip],
                     "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}]}}


def endpoints(addresses):
    return [{"addresses": [a], "conditions": {"ready": True, "serving": True},
             "nodeName": "elsewhere"} for a in addresses]


def slice_object(service, addresses):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": f"{service}-a", "namespace": "default",
                         "labels": {LABEL: service}},
            "addressType": "IPv4", "endpoints": endpoints(addresses),
            "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}]}


SCENARIOS = {"proxy": proxy}
