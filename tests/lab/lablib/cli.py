# SPDX-License-Identifier: Apache-2.0
"""The commands of ./lab: one function and one paragraph of arguments for each.

Exit status: 0 done (for `connect`: ok), 1 it failed (refused, timeout, a reason on stderr),
2 the command line is wrong. `exec` gives that of its command.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys

from lablib import agent, api, apibridge, lab, need, ns, peer, plan, pods, show, state
from lablib import guest, verbs_api, verbs_net, verbs_node, verbs_pod, verbs_policy
from lablib.errors import LabError, Usage


def _split(words, mark):
    """(what stands before mark, what stands after it or None). An empty mark: all behind the verb
    and --name LAB belongs to the other program."""
    if mark == "":
        n = 1
        if words[1:2] == ["--name"]:
            n = 3
        elif words[1:] and words[1].startswith("--name="):
            n = 2
        return words[:n], words[n:]
    if mark not in words:
        return words, None
    i = words.index(mark)
    return words[:i], words[i + 1 :]


def _up(args):
    path, agent_args = os.path.join(args.root, "build", "kube-router"), []
    if args.rest is not None:
        if not args.rest:
            raise Usage("--agent: the path is missing")
        path, agent_args = args.rest[0], args.rest[1:]
    if args.no_agent:
        if args.rest is not None:
            raise Usage("--no-agent and --agent exclude each other")
        path = None
    made = lab.up(args.name, args.nodes, args.subnets, path, agent_args, args.wait,
                  args.ip_families, _outside(args))
    print(f"lab {made.name}: {args.nodes} nodes, {args.subnets} subnets; state in {made.dir}")


def _outside(args):
    if args.apiserver == "builtin":
        if args.kubeconfig:
            raise Usage("--kubeconfig is for --apiserver URL")
        return None
    apibridge.where(args.apiserver)
    if not args.kubeconfig:
        raise Usage("--apiserver URL needs --kubeconfig FILE")
    apibridge.Access(args.kubeconfig)
    return {"url": args.apiserver, "kubeconfig": os.path.abspath(args.kubeconfig)}


def _up_args(p):
    p.add_argument("--nodes", type=int, default=3, help="1 to 200 (default 3)")
    p.add_argument("--subnets", type=int, default=1, help="nodes are spread over them in blocks")
    p.add_argument("--ip-families", choices=list(plan.FAMILIES), default="4", help="default 4")
    p.add_argument("--apiserver", default="builtin", metavar="builtin|URL",
                   help="the lab's own (default), or one that runs already, with --kubeconfig")
    p.add_argument("--kubeconfig", metavar="FILE", help="administrator's access to --apiserver URL")
    p.add_argument("--wait", choices=["all", "health", "none"], default="all",
                   help="all: /healthz, sessions and routes; health: only /healthz")
    p.add_argument("--no-agent", action="store_true", help="nodes only")
    guest.up_args(p)
    p.epilog = "--agent PATH [ARGS...] must come last: all that follows goes to the agent."


def _down(args):
    lab.down(args.name)


def _status(args):
    found = lab.status(state.Lab.load(args.name))
    print(json.dumps(found, indent=2) if args.output == "json" else show.status(found))


def _output_arg(p):
    p.add_argument("-o", "--output", choices=["json"], help="for programs")


def _read_objects(args):
    if args.file == "-":
        return api.parse(sys.stdin.read(), "standard input")
    try:
        with open(args.file, encoding="utf-8") as f:
            return api.parse(f.read(), args.file)
    except OSError as e:
        raise LabError(f"{args.file}: {e.strerror}") from None


def _apply(args):
    target = state.Lab.load(args.name)
    for obj in _read_objects(args):
        print(f"{api.title(api.apply(target, obj, args.namespace))} applied")


def _delete(args):
    target = state.Lab.load(args.name)
    for obj in reversed(_read_objects(args)):
        print(f"{api.title(api.delete_object(target, obj, args.namespace))} deleted")


def _file_args(p):
    p.add_argument("-f", "--file", required=True, help="YAML or JSON; - is standard input")
    p.add_argument("-n", "--namespace", default="default", help="for objects that name none")


def _get(args):
    target = state.Lab.load(args.name)
    if args.object:
        found = api.get(target, args.kind, args.object, args.namespace)
        rows = [found]
    else:
        rows = api.list_all(target, args.kind, None if args.all_namespaces else args.namespace)
        found = {"apiVersion": "v1", "kind": "List", "items": rows}
    print(json.dumps(found, indent=2) if args.output == "json" else show.objects(rows))


def _get_args(p):
    p.add_argument("kind")
    p.add_argument("object", nargs="?", metavar="NAME")
    p.add_argument("-n", "--namespace", default="default")
    p.add_argument("-A", "--all-namespaces", action="store_true")
    _output_arg(p)


def _exec(args):
    if not args.rest:
        raise Usage("exec: want NODE|POD -- COMMAND...")
    target = state.Lab.load(args.name)
    pod = pods.find(target, args.where, args.namespace)
    host = pod.node if pod else target.host(args.where)
    if host is None:
        raise LabError(f"no pod {args.namespace}/{args.where} and no node or peer {args.where!r}")
    host.need_alive()
    words = ns.entry(host.pid) + (pod.entry() if pod else []) + args.rest
    sys.stdout.flush()
    os.execvpe(words[0], words, ns.environment())


def _exec_args(p):
    p.add_argument("where", metavar="NODE|POD", help="then: -- COMMAND...")
    p.add_argument("-n", "--namespace", default="default")


def _agent(args):
    target = state.Lab.load(args.name)
    nodes = target.nodes if args.node == "all" else [target.node(args.node)]
    if args.rest is not None and args.do not in ("start", "restart"):
        raise Usage(f"agent {args.do}: takes no arguments after --")
    if args.do == "log":
        for node in nodes:
            with open(node.path("agent.log"), encoding="utf-8", errors="replace") as f:
                shutil.copyfileobj(f, sys.stdout)
        return
    with target.lifecycle(alone=False):
        for node in nodes:
            _agent_do(node, args)


def _agent_do(node, args):
    if args.do in ("stop", "kill", "restart"):
        how = signal.SIGKILL if args.do == "kill" else signal.SIGTERM
        was = agent.pid_of(node)
        status = agent.stop(node, how)
        if was is None and args.do != "restart":
            raise LabError(f"{node.name}: no agent runs")
        if was is not None:
            print(f"{node.name}: agent ended with status {status}")
    if args.do in ("start", "restart"):
        agent.start(node, args.path, args.rest)


def _agent_args(p):
    p.add_argument("node", metavar="NODE", help="or: all")
    p.add_argument("do", choices=["start", "stop", "kill", "restart", "log"])
    p.add_argument("--path", help="another program than before")
    p.epilog = "start and restart: -- ARGS... replaces the AGENT ARGS that `up` was given."


def _peer(args):
    target = state.Lab.load(args.name)
    if args.do == "routes":
        one = peer.get(target, args.peer)
        text = json.dumps(peer.routes(one), indent=2) if args.output else peer.routes_text(one)
        print(text.rstrip())
        return
    with target.lifecycle(alone=False):
        if args.delete:
            peer.delete(target, args.peer)
            return
        if args.kind is None:
            raise Usage(f"peer: want --kind {'|'.join(peer.KINDS)}, --delete or `routes`")
        made = peer.create(target, args.peer, args.kind, args.asn, args.prefix, args.config,
                           args.subnet, args.node_asn)
        print(f"{made.name} {made.ip} AS {made.facts['asn']}")


def _peer_args(p):
    p.add_argument("peer", metavar="NAME")
    p.add_argument("do", nargs="?", choices=["routes"], help="print what it has learned")
    p.add_argument("--kind", choices=list(peer.KINDS))
    p.add_argument("--asn", type=int, default=peer.DEFAULT_ASN, help="its own")
    p.add_argument("--node-asn", type=int, default=peer.plan.ASN, help="the nodes'")
    p.add_argument("--prefix", action="append", default=[], help="originated; repeatable")
    p.add_argument("--subnet", type=int, default=1)
    p.add_argument("--config", metavar="FILE", help="instead of the generated one")
    p.add_argument("--delete", action="store_true")
    _output_arg(p)


def _no_args(_):
    pass


# verb -> function, arguments, the word after which everything belongs to another program, help
VERBS = {
    "up": (_up, _up_args, "--agent", "make a lab and wait until its agents do their work"),
    "down": (_down, _no_args, None, "remove a lab, also a half-made one"),
    "status": (_status, _output_arg, None, "nodes, agents, sessions, routes, pods"),
    "apply": (_apply, _file_args, None, "create or replace API objects"),
    "delete": (_delete, _file_args, None, "delete API objects"),
    "get": (_get, _get_args, None, "print API objects"),
    "exec": (_exec, _exec_args, "--", "run a command in a node, peer or pod"),
    "agent": (_agent, _agent_args, "--", "start, stop, kill, restart a node's agent; its log"),
    "peer": (_peer, _peer_args, None, "a real router beside the nodes"),
}
for _more in (verbs_node, verbs_pod, verbs_net, verbs_api, verbs_policy, guest):
    VERBS.update(_more.VERBS)


def parser():
    top = argparse.ArgumentParser(prog="./lab", description="A cluster of network namespaces.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, (function, arguments, _, text) in VERBS.items():
        p = verbs.add_parser(verb, help=text, description=text, allow_abbrev=False)
        p.add_argument("--name", default="lab", metavar="LAB", help="which lab (default: lab)")
        arguments(p)
        p.set_defaults(function=function)
    return top


def main(argv, root):
    words, rest = argv, None
    if argv and argv[0] in VERBS and VERBS[argv[0]][2] is not None:
        words, rest = _split(argv, VERBS[argv[0]][2])
    args = parser().parse_args(words)
    args.rest, args.root = rest, root
    try:
        need.root()
        status = guest.take_over(args, argv)
        return (args.function(args) or 0) if status is None else status
    except Usage as e:
        print(f"./lab {args.verb}: {e}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    except (LabError, OSError, subprocess.TimeoutExpired) as e:
        print(f"./lab {args.verb}: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"./lab {args.verb}: interrupted", file=sys.stderr)
        return 130
