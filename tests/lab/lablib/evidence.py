# SPDX-License-Identifier: Apache-2.0
"""What a person will want to see after a failure, gathered before the lab is taken away."""

import glob
import json
import os
import shutil
import subprocess
import sys

from lablib import api, lab as labs, ns, state
from lablib.errors import LabError

COMMANDS = {
    "ip-addr": ["ip", "-d", "addr"],
    "ip-route": ["ip", "-d", "route", "show", "table", "all"],
    "ip-6-route": ["ip", "-6", "route", "show", "table", "all"],
    "ip-rule": ["ip", "rule"],
    "ip-neigh": ["ip", "neigh"],
    "bridge-link": ["bridge", "-d", "link"],
    "ipset": ["ipset", "save"],
    "iptables": ["iptables-save", "-c"],
    "ip6tables": ["ip6tables-save", "-c"],
    "nft": ["nft", "list", "ruleset"],
    "ipvsadm": ["ipvsadm", "-Ln"],
    "ss": ["ss", "-tanpi"],
    "ps": ["ps", "axo", "pid,ppid,stat,etimes,rss,args"],
    "cni": ["cat", ns.CNI_FILE],
}
GUEST_S = 120
KINDS = ("nodes", "pods", "services", "endpointslices", "networkpolicies")


def collect(lab, where):
    """One directory for each host, beside the API objects. Goes on when a part fails."""
    os.makedirs(where, exist_ok=True)
    for host in lab.nodes + lab.peers:
        out = os.path.join(where, host.name)
        os.makedirs(out, exist_ok=True)
        for path in glob.glob(host.path("*.log")) + glob.glob(host.path("log")):
            shutil.copy(path, out)
        if host.alive():
            for name, argv in COMMANDS.items():
                _save(os.path.join(out, name), _run(host, argv))
    for path in glob.glob(os.path.join(lab.dir, "*.log")) + [os.path.join(lab.dir, "api", "log")]:
        if os.path.exists(path):
            shutil.copy(path, os.path.join(where, os.path.basename(path)))
    for kind in KINDS:
        _save(os.path.join(where, f"{kind}.json"), _objects(lab, kind))
    _save(os.path.join(where, "status.json"), _status(lab))
    return where


def collect_from_guest(name, where):
    """The same of a lab in a guest, gathered there; and what qemu and the kernel said."""
    os.makedirs(where, exist_ok=True)
    for path in glob.glob(os.path.join(state.ROOT, name, "*.log")):
        shutil.copy(path, where)
    here = os.path.dirname(os.path.abspath(__file__))
    lab = os.path.join(os.path.dirname(here), "..", "..", "lab")
    inside = f"/tmp/evidence-{os.getpid()}"
    gather = ["env", f"PYTHONPATH={os.path.dirname(here)}", "/usr/bin/python3", "-B", "-m",
              "lablib.evidence", name, inside]
    for argv in (gather, ["tar", "-c", "-C", inside, "."]):
        r = subprocess.run([lab, "guest", "--name", name, "--", *argv], stdin=subprocess.DEVNULL,
                           capture_output=True, timeout=GUEST_S, check=False)
        if r.returncode != 0:
            _save(os.path.join(where, "guest-error"), r.stderr.decode(errors="replace"))
            return where
    subprocess.run(["tar", "-x", "-C", where], input=r.stdout, check=False)
    return where


def _run(host, argv):
    try:
        r = ns.run(host.pid, argv, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as e:
        return f"{e}\n"
    return r.stdout + r.stderr


def _objects(lab, kind):
    try:
        return json.dumps(api.list_all(lab, kind), indent=1)
    except LabError as e:
        return f"{e}\n"


def _status(lab):
    try:
        return json.dumps(labs.status(lab), indent=1)
    except (LabError, OSError) as e:
        return f"{e}\n"


def _save(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


if __name__ == "__main__":
    collect(state.Lab.load(sys.argv[1]), sys.argv[2])
