# SPDX-License-Identifier: Apache-2.0
"""./lab api: the API server misbehaves on request; ./lab kubectl: the packaged client."""

import json
import os
import shutil

from lablib import api, connect, ns, state
from lablib.errors import LabError, Usage

# mode -> the words behind it: what they are, how many at least, at most
MODES = {
    "up": ("", 0, 0),
    "down": ("", 0, 0),
    "drop": ("", 0, 0),
    "410": ("", 0, 0),
    "compact": ("", 0, 0),
    "stats": ("", 0, 0),
    "delay": (" MS", 1, 1),
    "malformed": (" KIND [N]", 1, 2),
}


def _whole(text, what):
    if not text.isdigit():
        raise Usage(f"{what} {text!r}: want a whole number")
    return int(text)


def _api(args):
    what, least, most = MODES[args.mode]
    if not least <= len(args.words) <= most:
        raise Usage(f"want: api {args.mode}{what}")
    values = {}
    if args.mode == "delay":
        values = {"ms": _whole(args.words[0], "delay")}
    elif args.mode == "malformed":
        values = {"kind": api.kind_of(args.words[0])}
        if len(args.words) > 1:
            values["n"] = _whole(args.words[1], "malformed N")
    target = state.Lab.load(args.name)
    if args.mode == "stats":
        print(json.dumps(api.stats(target), indent=2))
    else:
        print(json.dumps(api.fault(target, args.mode, **values)))


def _api_args(p):
    p.add_argument("mode", choices=list(MODES), metavar="|".join(MODES))
    p.add_argument("words", nargs="*", metavar="MS | KIND [N]")


def _kubectl(args):
    program = shutil.which("kubectl")
    if program is None:
        raise LabError("kubectl: not installed (package kubernetes-client)")
    target = state.Lab.load(args.name)
    netns = connect.source_netns(target, connect.OUTSIDE, None)  # where the server can be reached
    fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    ns.setns(fd, ns.CLONE_NEWNET)
    os.execve(program, ["kubectl", *(args.rest or [])], api.kubectl_environment(target))


def _no_args(_):
    pass


VERBS = {
    "api": (_api, _api_args, None, "make the API server misbehave; its statistics"),
    "kubectl": (_kubectl, _no_args, "", "run kubectl against the lab's API server"),
}
