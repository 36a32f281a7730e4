# SPDX-License-Identifier: Apache-2.0
"""A lab in a guest kernel: which labs are, how one is made, and what becomes of a verb.

    ./lab VERB --> take_over() --> here: the lab has no guest, or only the API server is asked
                               \\-> guest_call --> guest_agent (PID 1 of the guest) --> cli.main()

On the machine such a lab is a qemu process, the API server, and a state directory with guest.json;
qemu and the server carry the lab's mark in their environment, so `down` is the usual one.
"""

import json
import os
import shutil
import secrets
import subprocess
import sys
import time

from lablib import agent, api, clean, guest_call, guest_image, guest_inside, guest_qemu, infra
from lablib import need, ns, plan, state
from lablib.errors import LabError, Usage

PROGRAMS = {guest_qemu.PROGRAM: guest_qemu.PACKAGE, "depmod": "kmod"}
PRELOAD = ("br_netfilter", "ip_vs", "fou", "fou6", "sctp", "tun")
HERE_VERBS = {"down", "apply", "delete", "get", "api", "guest"}  # these need no guest
KEPT_ENV = agent.KEPT_ENV + ("TERM", "COLUMNS", "LAB_FAILED")
ENCAPS = {"ipip": "ipip", "fou": "fou"}


def up_args(p):
    p.add_argument("--kernel", choices=["host", "guest", "auto"], default="host",
                   help="auto: in a guest if this machine lacks what is asked for")
    p.add_argument("--kernel-package", metavar="NAME|FILE.deb", default=guest_image.PACKAGE,
                   help="the guest's kernel (default %(default)s)")
    p.add_argument("--kernel-needs", metavar="FEATURE,...", default="",
                   help="for auto, beside what the agent's flags say: " + ", ".join(need.FEATURES))


# --- is a guest wanted? ---------------------------------------------------------------------


def _flag(args, name, default):
    """The last --name=VALUE among an agent's words; a bare --name is true."""
    value = default
    for word in args:
        if word == f"--{name}":
            value = "true"
        elif word.startswith(f"--{name}="):
            value = word.partition("=")[2]
    return value


def _true(args, name, default):
    return _flag(args, name, default).lower() in ("1", "t", "true")


def features(agent_args, n_subnets):
    """What an agent with these flags will ask the kernel for, as names of need.FEATURES."""
    out = []
    if _true(agent_args, "run-service-proxy", "false"):
        out += ["ip_vs", "dummy"]
    if _true(agent_args, "run-firewall", "false"):
        out += ["iptables-set"]
    full = _flag(agent_args, "overlay-type", "subnet") == "full"
    if _true(agent_args, "enable-overlay", "true") and (n_subnets > 1 or full):
        out.append(ENCAPS.get(_flag(agent_args, "overlay-encap", "ipip"), "ipip"))
    return out


def lacking(args):
    """Why the lab that is asked for cannot run on this kernel; empty if it can."""
    names = [n for n in args.kernel_needs.split(",") if n]
    for name in names:
        if name not in need.FEATURES:
            raise Usage(f"--kernel-needs {name!r}: want {', '.join(need.FEATURES)}")
    if not args.no_agent:
        names += features((args.rest or [""])[1:], args.subnets)
    return [why for why in map(need.missing_feature, dict.fromkeys(names)) if why]


def _wanted(args):
    if args.kernel != "auto":
        return args.kernel == "guest"
    why = lacking(args)
    for line in why:
        print(f"this machine's kernel will not do: {line}", file=sys.stderr)
    return bool(why)


# --- making one -----------------------------------------------------------------------------


def facts_of(name):
    """What guest.json of a lab says, None if the lab has no guest."""
    return state.read_json(os.path.join(state.Lab(name).dir, "guest.json"))


def _write_secret(path, value):
    fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1)


def _start_api(lab):
    """The lab's usual server, on this machine's loopback; its certificate names the addresses at
    which the guest knows it."""
    argv, env = infra.api_argv(lab)
    words = [argv[0]]
    for before, word in zip(argv, argv[1:]):
        if before == "--listen":
            words[-1:] = ["--advertise", word, "--san", word.rpartition(":")[0].strip("[]")]
        else:
            words.append(word)
    words += ["--listen", "127.0.0.1:0"]
    with open(os.path.join(lab.dir, "api", "log"), "ab") as log:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                env={**env, ns.MARK_ENV: lab.name}, start_new_session=True)


def _api_address(lab):
    """HOST:PORT, from the kubeconfig that the server has written."""
    with open(os.path.join(lab.dir, "api", "kubeconfig"), encoding="utf-8") as f:
        for line in f:
            if line.strip().startswith("server:"):
                return line.strip().rpartition("/")[2]
    raise LabError("API server: its kubeconfig names no server")


def _boot(lab, kernel, n_nodes, agent_path):
    """Start the API server and the guest; returns when the guest takes calls."""
    server = _start_api(lab)
    compiling = guest_image.compile_python(os.path.dirname(os.path.dirname(__file__)))
    initramfs = os.path.join(lab.dir, "initramfs")
    guest_image.write_initramfs(kernel, initramfs)
    compiling.wait()
    infra.wait_api(lab, server)
    facts = {"name": lab.name, "agent": agent_path, "token": secrets.token_hex(32),
             "release": kernel.release, "modules": kernel.modules, "preload": list(PRELOAD)}
    path = os.path.join(lab.dir, "guest.json")
    _write_secret(path, facts)  # the guest reads it when it boots
    facts.update(guest_qemu.start(lab, kernel, initramfs, n_nodes, _api_address(lab)))
    _write_secret(path + ".new", facts)
    os.replace(path + ".new", path)
    guest_qemu.wait_ready(lab, facts)
    os.unlink(initramfs)
    return facts


def _check(args):
    """What can be said before anything is made. Returns the agent's path."""
    if args.apiserver != "builtin":
        raise LabError("--apiserver URL: not in a guest kernel, which reaches the lab's own only")
    plan.nodes(args.nodes, args.subnets, plan.families(args.ip_families))
    path = None
    if not args.no_agent:
        path = agent.check_path((args.rest or [os.path.join(args.root, "build", "kube-router")])[0])
    need.programs()
    need.programs(PROGRAMS)
    need.cni_path()
    guest_image.busybox()
    return path


def _up(args, argv):
    path = _check(args)
    kernel = guest_image.kernel(args.kernel_package)
    lab = state.Lab(args.name)
    begun = time.monotonic()
    with lab.lifecycle(alone=True):
        if clean.leftovers(lab):
            raise LabError(f"lab {lab.name!r} exists already; ./lab down --name {lab.name}")
        lab.create_dir()
        lab.facts = {"name": lab.name, "subnets": args.subnets, "families": args.ip_families,
                     "wait": args.wait, "agent": None, "nodes": [], "peers": {}}
        lab.save()
        facts = _boot(lab, kernel, args.nodes, path)
        print(f"guest {facts['release']} ({facts['accelerator']}) up after"
              f" {time.monotonic() - begun:.1f} s", flush=True)
        return guest_call.run(facts, "lab", argv, args.root, _environment())


# --- verbs ----------------------------------------------------------------------------------


def _environment():
    return {k: os.environ[k] for k in KEPT_ENV if k in os.environ}


def _alive_facts(name):
    facts = facts_of(name)
    if facts is None:
        raise LabError(f"lab {name!r} has no guest; ./lab up --kernel guest makes one")
    if "pid" not in facts or not guest_qemu.alive(state.Lab(name), facts):
        raise LabError(guest_qemu.why_gone(state.Lab(name)))
    return facts


def take_over(args, argv):
    """Exit status of a verb that was done by the guest, None if it is to be done here."""
    if guest_inside.facts() is not None:
        return None
    if args.verb == "up":
        return _up(args, argv) if _wanted(args) else None
    if args.verb in HERE_VERBS or facts_of(args.name) is None:
        return None
    facts = _alive_facts(args.name)
    if args.verb == "kubectl":
        return _kubectl(args)
    with_input = args.verb == "exec" or "-" in argv
    return guest_call.run(facts, "lab", argv, args.root, _environment(), with_input)


def _kubectl(args):
    """On this machine, where it is fast: the kubeconfig here names the server's port here."""
    program = shutil.which("kubectl")
    if program is None:
        raise LabError("kubectl: not installed (package kubernetes-client)")
    environment = api.kubectl_environment(state.Lab.load(args.name))
    sys.stdout.flush()
    os.execve(program, ["kubectl", *(args.rest or [])], environment)


def _guest(args):
    facts = _alive_facts(args.name)
    if not args.rest:
        print(f"{facts['release']}, {facts['accelerator']}, process {facts['pid']}")
        return 0
    return guest_call.run(facts, "exec", args.rest, "/", _environment(), True)


def _no_args(_):
    pass


VERBS = {"guest": (_guest, _no_args, "--", "what the lab's guest is; or -- CMD...: run it there")}
