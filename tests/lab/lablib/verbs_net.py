# SPDX-License-Identifier: Apache-2.0
"""./lab connect and probe: questions over the lab's network."""

import json

from lablib import connect, probe, state


def _ends_args(p, protocols):
    p.add_argument("source", metavar="FROM", help="a pod, node, peer or `outside`")
    p.add_argument("to", metavar="TO[:PORT]", help="a pod, node, peer, service or address")
    p.add_argument("--proto", choices=protocols, default="tcp")
    p.add_argument("-4", dest="family", action="store_const", const=4)
    p.add_argument("-6", dest="family", action="store_const", const=6)
    p.add_argument("-n", "--namespace", default="default", help="of names given without one")
    p.add_argument("--timeout", type=float, default=connect.TIMEOUT_S, metavar="S")


def _connect(args):
    target = state.Lab.load(args.name)
    answer = connect.ask(target, args.source, args.to, args.proto, args.family, args.namespace,
                         args.timeout)
    print(answer.text())
    return 0 if answer.result == "ok" else 1


def _connect_args(p):
    _ends_args(p, ["tcp", "udp", "sctp", "icmp"])


def _probe(args):
    target = state.Lab.load(args.name)
    tally = probe.run(target, args.source, args.to, args.rate, args.seconds, args.proto,
                      args.family, args.namespace, args.timeout)
    print(json.dumps(tally.as_dict()) if args.output == "json" else tally.text())


def _probe_args(p):
    _ends_args(p, ["tcp", "udp"])
    p.add_argument("--rate", type=float, default=100, metavar="N", help="questions in a second")
    p.add_argument("--for", dest="seconds", type=float, default=1, metavar="S")
    p.add_argument("-o", "--output", choices=["json"], help="for programs")


VERBS = {
    "connect": (_connect, _connect_args, None, "ask over the network: ok, refused, timeout"),
    "probe": (_probe, _probe_args, None, "ask at a steady rate; how long was there no answer?"),
}
