# SPDX-License-Identifier: Apache-2.0
"""The agent of a node: start, stop, kill, what became of it.

The agent is the child of a small shell in the node, which writes its exit status into
NODE/agent.exit. The pid we remember is the shell's; the agent's own is looked up when needed.
"""

import errno
import json
import os
import select
import signal
import time

from lablib import ns, plan, state
from lablib.errors import LabError

STOP_S = 15  # SIGTERM to exit
HEALTH_PORT = 20244
SUPERVISE = '"$@"; echo $? >"$0.new"; mv "$0.new" "$0"'
# What the lab adds by itself, unless AGENT ARGS have the same flag: some flags are lists, to which
# a second occurrence would add.
OWN_ARGS = (
    "--run-router=true",
    "--run-firewall=false",
    "--run-service-proxy=false",
    "--metrics-port=8080",
    "-v=1",
)
KEPT_ENV = tuple(f"{x}SAN_OPTIONS" for x in ("A", "UB", "L", "T")) + ("GOMAXPROCS", "GODEBUG")


VARIANT_DIR = "variant"  # of iptables, if backend.use() has asked for one: links to its programs


def check_path(path):
    if not os.path.isfile(path):
        raise LabError(f"agent {path}: no such file (build it, or name another with --agent PATH)")
    if not os.access(path, os.X_OK):
        raise LabError(f"agent {path}: not executable")
    return os.path.abspath(path)


def own_args(families, args):
    """The lab's flags that args do not replace."""
    out = [f"--kubeconfig={ns.OWN_DIR}/kubeconfig", *OWN_ARGS]
    if families != (4,):
        out += [f"--enable-ipv{f}={str(f in families).lower()}" for f in (4, 6)]
    if 4 not in families:
        out.append("--router-id=generate")  # there is no IPv4 address to take it from
    out += [f"--service-cluster-ip-range={plan.SERVICE_RANGES[f]}" for f in families]
    told = {arg.partition("=")[0] for arg in args}
    return [a for a in out if a.partition("=")[0] not in told]


def environment(node):
    env = {
        "PATH": f"{ns.OWN_DIR}/{VARIANT_DIR}:"
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "NODE_NAME": node.name,
        "KUBE_ROUTER_CNI_CONF_FILE": ns.CNI_FILE,
    }
    env.update({k: os.environ[k] for k in KEPT_ENV if k in os.environ})
    return env


def _lock(node):
    return state.file_lock(node.path("agent.lock"))


def _children(pid):
    """Pids whose parent is pid. /proc/PID/task/PID/children is not in every kernel."""
    out = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as f:
                rest = f.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(rest[1]) == pid and rest[0] != "Z":
            out.append(int(entry))
    return out


def supervised(node):
    """Cheaper than pid_of: does the shell still wait for the agent?"""
    facts = state.read_json(node.path("agent.json"))
    return facts is not None and state.start_time(facts["shell"]) == facts["started"]


def pid_of(node):
    """The agent's pid as this machine sees it, or None if it does not run."""
    if not supervised(node):
        return None
    children = _children(state.read_json(node.path("agent.json"))["shell"])
    return children[0] if children else None


def describe(node):
    pid = pid_of(node)
    if pid is not None:
        return {"state": "running", "pid": pid}
    facts = state.read_json(node.path("agent.json"))
    if facts is None:
        return {"state": "none"}
    try:
        with open(node.path("agent.exit"), encoding="ascii") as f:
            return {"state": "exited", "status": int(f.read())}
    except (FileNotFoundError, ValueError):
        return {"state": "exited", "status": None}


def start(node, path=None, args=None):
    """With neither path nor args: as it was started before, or as `up` was told."""
    node.need_alive()
    with _lock(node):
        if pid_of(node) is not None:
            raise LabError(f"{node.name}: its agent runs already")
        told = state.read_json(node.path("agent.json")) or node.lab.facts["agent"] or {}
        if not path and not told.get("path"):
            raise LabError(f"{node.name}: which agent? this lab was made without one; --path PATH")
        path = check_path(path or told["path"])
        _offer(node, path)
        args = list(told.get("args", []) if args is None else args)
        argv = [ns.seen(path), *own_args(node.lab.families, args), *args]
        log = node.path("agent.log")
        with open(log, "a", encoding="utf-8") as f:
            f.write(f"=== lab: start {json.dumps(argv)}\n")
        _forget(node.path("agent.exit"))
        shell = ns.spawn(
            node.pid,
            ["/bin/sh", "-c", SUPERVISE, f"{ns.OWN_DIR}/agent.exit", *argv],
            environment(node),
            log,
        )
        facts = {"shell": shell, "started": state.start_time(shell), "path": path, "args": args}
        state.write_json(node.path("agent.json"), facts)


def last_args(node):
    """The arguments that it was started with, or `up` was told."""
    told = state.read_json(node.path("agent.json")) or node.lab.facts["agent"] or {}
    return list(told.get("args", []))


def _offer(node, path):
    """In the node, `kube-router` is the agent that was started last."""
    link = node.path("bin", "kube-router")
    os.makedirs(os.path.dirname(link), exist_ok=True)
    _forget(link)
    os.symlink(ns.seen(path), link)


def _forget(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def wait_gone(pid, seconds):
    """True when the process is gone within the time."""
    try:
        fd = os.pidfd_open(pid)
    except OSError as e:
        # EINVAL: the number is still in use, but no longer by a process (it ends this moment)
        if e.errno in (errno.ESRCH, errno.EINVAL):
            return True
        raise
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(fd)


def stop(node, with_signal=signal.SIGTERM):
    """Send the signal, wait for the end. Returns the exit status, None if it did not run."""
    with _lock(node):
        pid = pid_of(node)
        if pid is None:
            return None
        shell = state.read_json(node.path("agent.json"))["shell"]
        try:
            os.kill(pid, with_signal)
        except ProcessLookupError:
            pass
        if not wait_gone(pid, STOP_S):
            raise LabError(f"{node.name}: agent still there {STOP_S} s after {with_signal.name}")
        wait_gone(shell, STOP_S)  # then the exit status is on disk
        return describe(node).get("status")


def give_kubeconfig(node):
    with open(os.path.join(node.lab.dir, "api", "kubeconfig"), encoding="utf-8") as f:
        text = f.read()
    with open(node.path("kubeconfig"), "w", encoding="utf-8") as f:
        f.write(text)


def log_tail(node, lines=5):
    try:
        with open(node.path("agent.log"), encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:]).rstrip()
    except FileNotFoundError:
        return "(no log)"


def wait_cni_ranges(node, seconds):
    """The agent writes the node's pod CIDRs into the CNI file; returns the file's content."""
    path = f"/proc/{node.pid}/root{ns.CNI_FILE}"
    limit = time.monotonic() + seconds
    while True:
        try:
            with open(path, encoding="utf-8") as f:
                conf = json.load(f)
            if any(_has_ranges(p) for p in conf["plugins"]):
                return conf
        except (FileNotFoundError, ValueError, KeyError):
            pass  # being rewritten at this moment
        if time.monotonic() > limit:
            raise LabError(
                f"{node.name}: no address ranges in {ns.CNI_FILE} after {seconds} s:"
                f" its agent has to write them ({describe(node)['state']})\n{log_tail(node)}"
            )
        time.sleep(0.05)


def _has_ranges(plugin):
    ipam = plugin.get("ipam") or {}
    return bool(ipam.get("ranges") or ipam.get("subnet"))
