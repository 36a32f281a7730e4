# SPDX-License-Identifier: Apache-2.0
"""./lab pod: make one, change it, take it away."""

from lablib import pods, portspec, state
from lablib.errors import LabError, Usage


def _labels(text, removable=False):
    """k=v,...; with removable also `k-`, which takes the label away (None)."""
    out = {}
    for pair in filter(None, (text or "").split(",")):
        key, eq, value = pair.partition("=")
        if removable and not eq and len(key) > 1 and key.endswith("-"):
            out[key[:-1]] = None
            continue
        if not eq or not key:
            raise Usage(f"--label{'' if removable else 's'} {pair!r}: want KEY=VALUE")
        out[key] = value
    return out


def _numbers(text):
    try:
        ports = tuple(int(x) for x in text.split(","))
    except ValueError:
        ports = ()
    if not ports or len(ports) > 16 or not all(1 <= p <= 65535 for p in ports):
        raise Usage(f"--ports {text!r}: want up to 16 numbers, 1 to 65535, with commas")
    return ports


def _ports(args):
    named = [portspec.parse(word) for words in args.port for word in words]
    if args.ports is not None:
        named += portspec.expand(_numbers(args.ports))
    if len({str(p) for p in named}) < len(named):
        raise Usage("--port: the same port and protocol twice")
    return named or pods.PORTS


def _pod(args):
    new = (args.node, args.labels, args.ports, args.port or None, args.host_network or None)
    changes = _labels(args.label, removable=True)
    alter = args.delete or args.ready is not None or args.label is not None
    if alter and any(x is not None for x in new):
        raise Usage("--delete, --ready and --label are for a pod that is there, not for a new one")
    if args.delete and (args.ready is not None or changes):
        raise Usage("--delete excludes --ready and --label")
    labels, ports = _labels(args.labels), _ports(args)
    target = state.Lab.load(args.name)
    with target.lifecycle(alone=False):
        if alter:
            _alter(target, args, changes)
            return
        made = pods.create(target, args.pod, args.namespace, args.node, labels, ports,
                           args.host_network)
        print(f"{made.namespace}/{made.name} {made.node.name} {' '.join(made.ips)}")


def _alter(target, args, changes):
    found = pods.find(target, args.pod, args.namespace)
    if found is None:
        raise LabError(f"there is no pod {args.namespace}/{args.pod}")
    if args.delete:
        pods.delete(target, found)
    if changes:
        pods.set_labels(target, found, changes)
    if args.ready is not None:
        pods.set_ready(target, found, args.ready == "true")


def _pod_args(p):
    p.add_argument("pod", metavar="NAME")
    p.add_argument("-n", "--namespace", default="default")
    p.add_argument("--node", help="default: the one with the fewest pods")
    p.add_argument("--labels", help="k=v,...")
    p.add_argument("--port", action="append", nargs="+", default=[], metavar="NAME:NUM/PROTO",
                   help="answered; NAME and PROTO (TCP, UDP, SCTP) may be left out")
    p.add_argument("--ports", help="80,8080: numbers that are answered on TCP and UDP (default: "
                   + ",".join(map(str, pods.PORTS)) + " unless there is a --port)")
    p.add_argument("--host-network", action="store_true", help="the node's network, without CNI")
    p.add_argument("--label", help="change labels of the pod: k=v,... and k- to take one away")
    p.add_argument("--ready", choices=["true", "false"], help="change the pod's readiness")
    p.add_argument("--delete", action="store_true")


VERBS = {
    "pod": (_pod, _pod_args, None, "make a pod by CNI, with a responder in it; change, --delete"),
}
