# SPDX-License-Identifier: Apache-2.0
"""Taking a lab away, whatever is left of it: state files may be missing, namespaces half made.

What is ours is known by signs of which each is enough: the mark in a PID 1's argument list, the
mark in the environment of what runs beside the hosts, a process inside one of the lab's named
network namespaces, the names below /run/netns. A PID 1 takes all processes of its host with it.
"""

import contextlib
import os
import shutil
import signal
import subprocess

from lablib import agent, ns, plan, state
from lablib.errors import LabError

GONE_S = 10


def _words(pid, file):
    """The strings in /proc/PID/cmdline or environ; none when it is gone."""
    try:
        with open(f"/proc/{pid}/{file}", "rb") as f:
            return [os.fsdecode(w) for w in f.read().split(b"\0")[:-1]]
    except OSError:
        return []


def _is_holder(lab, words):
    return len(words) == 6 and words[2:5] == [ns.HOLDER, ns.MARK, lab.name]


def netns_names(lab):
    try:
        names = os.listdir(ns.NETNS_DIR)
    except FileNotFoundError:
        return []
    return sorted(n for n in names if plan.owns_netns(lab.name, n))


def _nsfs_ids(names):
    """Identity of each namespace that is really mounted (a bare file has the wrong device)."""
    nsfs = os.stat("/proc/self/ns/net").st_dev
    out = set()
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            st = os.stat(os.path.join(ns.NETNS_DIR, name))
            if st.st_dev == nsfs:
                out.add(st.st_ino)
    return out


def processes(lab):
    """(holders, others) of this lab, as seen from the machine."""
    ids = _nsfs_ids(netns_names(lab)) - {os.stat("/proc/self/ns/net").st_ino}
    holders, others = [], []
    for word in os.listdir("/proc"):
        if not word.isdigit() or int(word) == os.getpid():
            continue
        pid = int(word)
        try:
            in_ours = os.stat(f"/proc/{pid}/ns/net").st_ino in ids
        except OSError:  # gone, or a kernel thread
            continue
        if _is_holder(lab, _words(pid, "cmdline")):
            holders.append(pid)
        elif in_ours or f"{ns.MARK_ENV}={lab.name}" in _words(pid, "environ"):
            others.append(pid)
    return holders, others


def _end(pids, with_signal):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, with_signal)
    stuck = [pid for pid in pids if not agent.wait_gone(pid, GONE_S)]
    for pid in pids:  # those that are children of ours (tests) must not stay as zombies
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return stuck


def _forget_netns(name):
    path = os.path.join(ns.NETNS_DIR, name)
    with contextlib.suppress(OSError):
        ns.umount(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def remove_host(host):
    """One node or peer, while the lab stays. The kernel takes its end of the cable away some time
    later; our end goes now, so that the name is free."""
    infra = plan.netns(host.lab.name, "infra")
    subprocess.run(["ip", "-n", infra, "link", "del", host.name], capture_output=True, check=False)
    if host.alive() and _end([host.pid], signal.SIGKILL):
        raise LabError(f"{host.name}: could not end process {host.pid}")
    _forget_netns(host.facts["netns"])
    shutil.rmtree(host.dir, ignore_errors=True)


def remove(lab):
    """Everything. Doing it twice does nothing the second time."""
    stuck = _end(processes(lab)[0], signal.SIGKILL)
    stuck += _end(processes(lab)[1], signal.SIGKILL)
    for name in netns_names(lab):
        _forget_netns(name)
    shutil.rmtree(lab.dir, ignore_errors=True)
    left = leftovers(lab)
    if stuck or left:
        raise LabError("could not remove: " + ", ".join([f"process {p}" for p in stuck] + left))


def leftovers(lab):
    """Names of what still is there of a lab; empty after `down`."""
    holders, others = processes(lab)
    out = [f"process {p}" for p in holders + others]
    out += [f"namespace {n}" for n in netns_names(lab)]
    if os.path.exists(lab.dir):
        out.append(f"directory {lab.dir}")
    return out


def known_labs():
    """Names of all labs of which there is a state directory."""
    try:
        return sorted(n for n in os.listdir(state.ROOT) if not n.startswith("."))
    except FileNotFoundError:
        return []
