# SPDX-License-Identifier: Apache-2.0
"""What is different for the lab's code when it runs in the guest: the API server of the guest's
own lab is outside. Everything else, and other labs that somebody makes in the guest, is as on any
machine."""

import json
import os
import sys

FACTS = "/run/lab-guest.json"
MACHINE = "/run/machine"  # the machine's root directory, without the guest's own changes
SLOWER = 4
FORWARD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest_forward.py")


def facts():
    """{"name": LAB, "state": its state directory on the machine}; None on the machine itself."""
    try:
        with open(FACTS, encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return None


def patience(seconds):
    """How long to wait, in a guest, for what takes this long on a machine: it may be emulated."""
    return seconds if facts() is None else seconds * SLOWER


def api_argv(lab, argv):
    """The command that serves the API in LAB-infra: argv, or in the guest a forwarder to it."""
    told = facts()
    if told is None or told["name"] != lab.name:
        return argv
    listens = [argv[i + 1] for i, word in enumerate(argv) if word == "--listen"]
    outside = f"{MACHINE}{told['state']}/api"
    for name in ("ca.crt", "client.crt", "client.key", "token"):
        _copy(f"{outside}/{name}", os.path.join(lab.dir, "api", name))
    with open(f"{outside}/kubeconfig", encoding="utf-8") as f:
        lines = f.read().splitlines()
    own = [f"    server: https://{_bare(listens[0])}" if line.startswith("    server: ") else line
           for line in lines]
    _write(os.path.join(lab.dir, "api", "kubeconfig"), "\n".join(own) + "\n")
    return [sys.executable, "-IS", FORWARD, lab.api_sock, *listens]


def _bare(listen):
    """[ADDRESS]:PORT as a URL wants it: brackets around IPv6 only."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _copy(source, to):
    with open(source, encoding="utf-8") as f:
        _write(to, f.read())


def _write(path, text):
    fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as f:
        f.write(text)
