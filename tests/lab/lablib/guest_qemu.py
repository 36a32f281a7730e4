# SPDX-License-Identifier: Apache-2.0
"""qemu: is KVM usable, which command line, when has the guest come up.

The guest has one network card, on a network of qemu's own that leads nowhere: `restrict=on`. The
two exceptions are a port on this machine's loopback, behind which the guest's agent asks for a
token, and two addresses behind which a guest_relay.py hands connections to the API server.
"""

import os
import resource
import shlex
import socket
import subprocess
import sys
import tempfile
import time

from lablib import agent, guest_image, guest_wire as wire, ns, state
from lablib.errors import LabError

PROGRAM, PACKAGE = "qemu-system-x86_64", "qemu-system-x86"
BOOT_S = 60
KVM_S = 15
ACCEL_ENV = "KUBE_ROUTER_LAB_ACCEL"  # "tcg": emulate, even where KVM works
BASE_MB, NODE_MB = 1536, 96
CPUS_MAX = 4
HERE = os.path.dirname(os.path.abspath(__file__))

KERNEL_WORDS = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr audit=0"
SIGNS = ("Kernel panic", "BUG:", "Out of memory", "lab: cannot")
PROBE_WORD = "lab.probe"  # to the initramfs: say this word and go
KVM_CPUS = ("max", "max,arch-capabilities=off")  # the second where that register cannot be set


def _boots(cpu, kernel, initramfs):
    """By booting the kernel as far as the initramfs. Where virtualization is nested, /dev/kvm may
    make machines and then fail to run them, or run them up to some instruction."""
    with tempfile.NamedTemporaryFile(prefix="lab-kvm-", mode="r", encoding="utf-8") as console:
        words = [PROGRAM, *_machine(("kvm", cpu), 256, console.name), "-kernel", kernel.image,
                 "-initrd", initramfs, "-append", f"{KERNEL_WORDS} {PROBE_WORD}"]
        try:
            subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                           timeout=KVM_S, preexec_fn=_no_core)
        except subprocess.TimeoutExpired:
            pass
        return PROBE_WORD in console.read()


def _no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # qemu aborts where KVM is broken


def _kvm_cpu(kernel, initramfs):
    """The processor with which KVM works here, "" if with none. Found out once for each start of
    this machine."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        boot = f.read().strip()
    path = os.path.join(guest_image.CACHE, "kvm.json")
    known = state.read_json(path) or {}
    if known.get("boot") != boot:
        cpus = (c for c in KVM_CPUS if _boots(c, kernel, initramfs))
        known = {"boot": boot, "cpu": next(cpus, "")}
        state.write_json(path, known)
    return known["cpu"]


def accelerator(kernel, initramfs):
    """The words after -accel and -cpu, and what to call it."""
    if os.environ.get(ACCEL_ENV) != "tcg" and os.access("/dev/kvm", os.R_OK | os.W_OK):
        cpu = _kvm_cpu(kernel, initramfs)
        if cpu:
            return "kvm", cpu, "KVM"
    return "tcg,thread=multi", "max", "emulated"


def _machine(cpu, megabytes, console):
    return [
        "-accel", cpu[0], "-cpu", cpu[1], "-machine", "q35",
        "-smp", str(min(CPUS_MAX, os.cpu_count() or 1)), "-m", f"{megabytes}M",
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none",
        "-serial", f"file:{console}",
    ]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _relay(where):
    """qemu splits this in words as a shell does, after it has made one comma out of two."""
    words = [sys.executable, "-IS", os.path.join(HERE, "guest_relay.py"), where]
    return shlex.join(words).replace(",", ",,")


def _netdev(port, api_sock, api_tls):
    parts = [
        "user,id=lab,restrict=on,ipv6=off,net=10.0.2.0/24",
        f"hostfwd=tcp:127.0.0.1:{port}-{wire.ADDRESS}:{wire.PORT}",
        f"guestfwd=tcp:{wire.API_ADDRESS}:{wire.API_PLAIN}-cmd:{_relay(api_sock)}",
        f"guestfwd=tcp:{wire.API_ADDRESS}:{wire.API_TLS}-cmd:{_relay(api_tls)}",
    ]
    return ",".join(parts)


def _argv(lab, kernel, initramfs, cpu, n_nodes, netdev):
    line = [KERNEL_WORDS, f"lab.state={lab.dir}",
            f"lab.agent={os.path.join(HERE, 'guest_agent.py')}"]
    console = os.path.join(lab.dir, "console.log")
    return [
        PROGRAM, "-name", f"lab-{lab.name}", *_machine(cpu, BASE_MB + NODE_MB * n_nodes, console),
        "-kernel", kernel.image, "-initrd", initramfs, "-append", " ".join(line),
        "-virtfs", "local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap",
        "-netdev", netdev, "-device", "virtio-net-pci,netdev=lab,romfile=",
        "-device", "virtio-rng-pci",
    ]


def start(lab, kernel, initramfs, n_nodes, api_tls):
    """Returns what is known of the guest: pid, start time, port and how it runs."""
    cpu = accelerator(kernel, initramfs)
    port = free_port()
    words = _argv(lab, kernel, initramfs, cpu, n_nodes, _netdev(port, lab.api_sock, api_tls))
    with open(os.path.join(lab.dir, "qemu.log"), "ab") as log:
        p = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                             env={**os.environ, ns.MARK_ENV: lab.name}, start_new_session=True)
    return {"pid": p.pid, "started": state.start_time(p.pid), "port": port, "accelerator": cpu[2]}


def _tail(path, lines=4):
    """The last lines, and before them those in which the kernel says what went wrong."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            said = f.read().splitlines()
    except FileNotFoundError:
        return ""
    bad = [line for line in said[:-lines] if any(sign in line for sign in SIGNS)]
    return "\n".join(bad[:lines] + said[-lines:])


def alive(lab, facts):
    """Not a zombie either, when it is a child of ours."""
    return not agent.wait_gone(facts["pid"], 0) and (
        state.start_time(facts["pid"]) == facts["started"]
    )


def why_gone(lab):
    said = "\n".join(filter(None, (_tail(os.path.join(lab.dir, n), 4)
                                   for n in ("qemu.log", "console.log"))))
    return f"lab {lab.name!r}: its guest is gone:\n{said}\nthe whole: {lab.dir}/console.log"


def wait_ready(lab, facts):
    """Until the agent in the guest says so on the console."""
    path = os.path.join(lab.dir, "console.log")
    limit = time.monotonic() + BOOT_S
    while True:
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                if "lab: ready" in f.read():
                    return
        except FileNotFoundError:
            pass
        if not alive(lab, facts):
            raise LabError(why_gone(lab))
        if time.monotonic() > limit:
            raise LabError(f"the guest has not come up after {BOOT_S} s:\n{_tail(path)}\n"
                           f"the whole console: {path}")
        time.sleep(0.02)
