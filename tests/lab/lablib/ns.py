# SPDX-License-Identifier: Apache-2.0
"""Hosts made of namespaces: make one, look into it, run something in it.

A host (a node, or a router that peers with the nodes) has its own network, mount, UTS and PID
namespaces. A tiny shell is its PID 1: it keeps the namespaces alive and reaps orphans. Killing
it makes the kernel kill everything else in there, which is why `down` can promise to leave
nothing behind.

    our process -- fork -- unshare -- fork --> PID 1: mounts, host name, then exec /bin/sh

What a host must not share with its neighbours gets a private tmpfs: /run (xtables.lock, pod
namespaces), /tmp, /etc (CNI file, rt_tables) and /var/lib (CNI leases). The last two are filled
with links to what the machine has. The machine's own directories stay visible below
/run/lab/host, so that a program lying in /tmp can be run: see seen().
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess

from lablib import plan
from lablib.errors import LabError

CLONE_NEWNS, CLONE_NEWUTS = 0x00020000, 0x04000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 4096, 8192, 16384, 1 << 18
MNT_DETACH = 2

NETNS_DIR = "/run/netns"
HOST_VIEW = "/run/lab/host"  # in a host: the machine's own /etc, /var/lib, /tmp and /run
OWN_DIR = "/run/lab/node"  # in a host: its directory below the lab's state directory
CNI_FILE = "/etc/cni/net.d/10-kuberouter.conflist"
MIRRORED = {"/etc": {"cni", "iproute2", "hostname"}, "/var/lib": {"cni"}}
HIDDEN = ("/run", "/tmp", "/etc", "/var/lib")

# In the arguments of every PID 1 of ours, and in the environment of what runs beside the hosts, so
# that they are known even when all state files and names are lost
MARK = "kube-router-lab"
MARK_ENV = "KUBE_ROUTER_LAB"
HOLDER = 'trap "" HUP INT TERM; while :; do sleep 2147483647 & wait $!; done'

_libc = ctypes.CDLL(None, use_errno=True)


def _check(r, what):
    if r != 0:
        e = ctypes.get_errno()
        raise OSError(e, f"{what}: {os.strerror(e)}")


def mount(source, target, fstype=None, flags=0, data=None):
    args = [None if a is None else os.fsencode(a) for a in (source, target, fstype)]
    _check(
        _libc.mount(*args, ctypes.c_ulong(flags), None if data is None else data.encode()),
        f"mount {source} on {target}",
    )


def umount(target):
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def setns(fd, kind):
    _check(_libc.setns(fd, kind), "setns")


@contextlib.contextmanager
def inside_net(fd):
    """Sockets opened in this block belong to the network namespace behind fd, for good."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(fd, CLONE_NEWNET)
        try:
            yield
        finally:
            setns(own, CLONE_NEWNET)
    finally:
        os.close(own)


def seen(path):
    """What a path of the machine is called inside a host."""
    path = os.path.abspath(path)
    for top in HIDDEN:
        if path.startswith(top + "/"):
            return HOST_VIEW + path
    return path


# --- making a host --------------------------------------------------------------------------


def _fill(top, own, view):
    """Links in our tmpfs at top to what the machine has there; symlinks are copied."""
    for entry in os.scandir(view):
        if entry.name in own:
            continue
        target = os.readlink(entry.path) if entry.is_symlink() else entry.path
        os.symlink(target, os.path.join(top, entry.name))


def _mount_all(state_dir):
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        below_run = [line.split()[4] for line in f if line.split()[4].startswith("/run/netns")]
    for path in reversed(below_run):  # else we would keep other hosts' namespaces alive
        with contextlib.suppress(OSError):
            umount(path)

    # Our /run is put together on a mount point that we need later anyhow, then moved into place:
    # once something covers a directory, it cannot be bound elsewhere any more.
    new = "/sys"
    mount("tmpfs", new, "tmpfs", 0, "mode=755")
    for top in HIDDEN:
        view = new + HOST_VIEW.removeprefix("/run") + top
        os.makedirs(view)
        mount(top, view, None, MS_BIND | MS_REC)
    for path in (OWN_DIR, NETNS_DIR, "/run/lock"):
        os.makedirs(new + path.removeprefix("/run"))
    mount(state_dir, new + OWN_DIR.removeprefix("/run"), None, MS_BIND)
    mount(new, "/run", None, MS_MOVE)
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    for top in HIDDEN[1:]:
        mount("tmpfs", top, "tmpfs", 0, "mode=1777" if top == "/tmp" else "mode=755")
    for top, own in MIRRORED.items():
        _fill(top, own, HOST_VIEW + top)


def _set_up(name, state_dir):
    socket.sethostname(name)
    _mount_all(state_dir)
    tables = HOST_VIEW + "/etc/iproute2"
    if os.path.isdir(tables):
        shutil.copytree(tables, "/etc/iproute2")
    else:
        os.makedirs("/etc/iproute2")
    os.makedirs("/var/lib/cni")
    os.makedirs(os.path.dirname(CNI_FILE))
    with open("/etc/hostname", "w", encoding="utf-8") as f:
        f.write(name + "\n")
    with open(CNI_FILE, "w", encoding="utf-8") as f:
        json.dump(plan.cni_conflist(), f, indent=2)
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as f:
        f.write("1")


def _become_pid1(lab, name, state_dir, report):
    """Never returns. Says why on the pipe if it fails; a silent end of the pipe is success."""
    try:
        _set_up(name, state_dir)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        _close_others(report)
        os.chdir("/")
        argv = ["sh", "-c", HOLDER, MARK, lab, name]
        os.execve("/bin/sh", argv, {"PATH": os.environ.get("PATH", os.defpath)})
    except BaseException as e:  # pylint: disable=broad-except
        os.write(report, f"error {e}".encode())
    finally:
        os._exit(1)


def _close_others(keep):
    os.closerange(3, keep)
    os.closerange(keep + 1, 4096)


def create(lab, name, netns_name, state_dir):
    """A host called `name`. Returns the pid of its PID 1."""
    r, w = os.pipe2(os.O_CLOEXEC)
    outer = os.fork()
    if outer == 0:
        try:
            os.setsid()
            flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWNET
            _check(_libc.unshare(flags), "unshare")
            inner = os.fork()
            if inner == 0:
                _become_pid1(lab, name, state_dir, w)
            os.write(w, f"pid {inner}\n".encode())
            os._exit(0)
        except BaseException as e:  # pylint: disable=broad-except
            os.write(w, f"error {e}".encode())
            os._exit(1)
    os.close(w)
    with os.fdopen(r, "r", encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(outer, 0)
    if "error" in said or not said.startswith("pid "):
        raise LabError(f"{name}: cannot make its namespaces: {said.partition('error ')[2] or said}")
    pid = int(said.split()[1])
    path = os.path.join(NETNS_DIR, netns_name)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o444))
    mount(f"/proc/{pid}/ns/net", path, None, MS_BIND)
    return pid


# --- running things in a host ---------------------------------------------------------------


def entry(pid, netns_path=None):
    """The command words that put a command into a host; netns_path: another network namespace."""
    words = ["nsenter", "-t", str(pid), "-m", "-u", "-p"]
    return words + ([f"--net={netns_path}"] if netns_path else ["-n"]) + ["--"]


def environment():
    """Ours, with the programs that the lab gives a host (its agent) found first."""
    return dict(os.environ, PATH=f"{OWN_DIR}/bin:{os.environ.get('PATH', os.defpath)}")


def run(pid, argv, text=None, timeout=30, netns_path=None, env=None):
    return subprocess.run(
        entry(pid, netns_path) + list(argv),
        input=text,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=env or environment(),
    )


def _exec_in(holder, argv, env, log, netns_path, answer):
    """In a child: enter, become a child of the host's PID 1, send our pidfd, exec."""
    kinds = (("net", CLONE_NEWNET), ("uts", CLONE_NEWUTS), ("pid", CLONE_NEWPID))
    fds = [
        (os.open(netns_path if k == "net" and netns_path else f"/proc/{holder}/ns/{k}", 0), c)
        for k, c in kinds + (("mnt", CLONE_NEWNS),)
    ]
    for fd, kind in fds:
        setns(fd, kind)
        os.close(fd)
    parent = os.fork()  # only a child is in the new PID namespace
    if parent != 0:
        os.waitpid(parent, 0)
        return
    child = os.fork()  # whose parent ends at once, so the host's PID 1 inherits and reaps it
    if child != 0:
        socket.send_fds(answer, [b"p"], [os.pidfd_open(child)])
        return
    try:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for fd, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, fd)
        _close_others(answer.fileno())
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvpe(argv[0], list(argv), env)
    except OSError as e:
        answer.send(f"{argv[0]}: {e.strerror}".encode())


def spawn(holder, argv, env, log_path, netns_path=None):
    """Start argv in a host, detached. Returns its pid as this machine sees it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    log = os.open(log_path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    outer = os.fork()
    if outer == 0:
        try:
            ours.close()
            _exec_in(holder, argv, env, log, netns_path, theirs)
        except BaseException as e:  # pylint: disable=broad-except
            theirs.send(str(e).encode())
        finally:
            os._exit(0)
    theirs.close()
    os.close(log)
    os.waitpid(outer, 0)
    pid, error = None, ""
    while True:
        data, fds, _, _ = socket.recv_fds(ours, 4096, 1)
        if not data:  # everybody has let go of the socket: the exec succeeded
            break
        if fds:
            pid = _pidfd_pid(fds[0])
            os.close(fds[0])
        else:
            error = data.decode()
    ours.close()
    if error or pid is None:
        raise LabError(f"cannot start {argv[0]}: {error or 'the host is gone'}")
    return pid


def _pidfd_pid(fd):
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as f:
        for line in f:
            if line.startswith("Pid:"):
                return int(line.split()[1])
    return None


def must(argv, text=None, what=None):
    """Run a command on this machine; its complaint becomes ours."""
    r = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if r.returncode != 0:
        raise LabError(f"{what or ' '.join(argv)}: {(r.stderr or r.stdout).strip()}")
    return r.stdout


def must_all(jobs):
    """Several (argv, text) at the same time."""
    running = []
    for argv, text in jobs:
        p = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        p.stdin.write(text)
        p.stdin.close()
        running.append((argv, p))
    bad = []
    for argv, p in running:
        out = p.stdout.read()
        p.stdout.close()
        if p.wait() != 0:
            bad.append(f"{' '.join(argv)}: {out.strip()}")
    if bad:
        raise LabError("\n".join(bad))


