# SPDX-License-Identifier: Apache-2.0
"""./lab node: nodes that come, go and move."""

from lablib import nodes, state
from lablib.errors import Usage


def _node(args):
    if args.do != "readdress" and (args.ip or args.pod_cidr):
        raise Usage(f"node {args.do}: --ip and --pod-cidr are for readdress")
    if args.do != "add" and args.subnet is not None:
        raise Usage(f"node {args.do}: --subnet is for add")
    target = state.Lab.load(args.name)
    with target.lifecycle(alone=False):
        if args.do == "add":
            print(nodes.describe(nodes.add(target, args.node, args.subnet)))
        elif args.do == "readdress":
            print(nodes.describe(nodes.readdress(target, args.node, args.ip, args.pod_cidr)))
        else:
            {"remove": nodes.remove, "plug": nodes.plug, "unplug": nodes.unplug}[args.do](
                target, args.node
            )


def _node_args(p):
    p.add_argument("do", choices=["add", "remove", "readdress", "unplug", "plug"])
    p.add_argument("node", metavar="NODE")
    p.add_argument("--subnet", type=int, help="add: default is that of the last node")
    p.add_argument("--ip", metavar="ADDRESS", help="readdress: which one; default: a free one")
    p.add_argument("--pod-cidr", metavar="CIDR[,CIDR]", help="readdress: the pods' instead")


VERBS = {
    "node": (_node, _node_args, None, "add, remove, readdress a node, or pull its cable"),
}
