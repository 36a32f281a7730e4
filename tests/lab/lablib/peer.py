# SPDX-License-Identifier: Apache-2.0
"""A real router beside the nodes: BIRD or GoBGP, as packaged, a host of its own on a subnet.

Both kinds are asked for their routes in their own way; routes() gives one form for both.
"""

import ipaddress
import json
import re
import shutil
import time

from lablib import agent, clean, infra, lab as labs, need, ns, plan
from lablib.errors import LabError

KINDS = tuple(need.PEER_PROGRAMS)
DEFAULT_ASN = 65000
START_S = 10
HOPS = 4  # to a node in another subnet
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
BIRDC = ("birdc", "-s", "/run/bird.ctl")
GOBGP = ("gobgp",)


def _bird_config(peer, nodes, node_asn):
    f = peer.facts
    out = [f"router id {peer.ip};", "log stderr all;", "protocol device { scan time 10; }"]
    out += ['protocol direct { ipv4; interface "eth0"; }']
    routes = " ".join(f"route {p} unreachable;" for p in f["prefixes"])
    out += [f"protocol static {{ ipv4; {routes} }}"]
    out += ["protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }"]
    for n in nodes:
        far = n.subnet != peer.subnet and f["asn"] != node_asn
        out += [
            f"protocol bgp {n.name} {{",
            f"  local {peer.ip} as {f['asn']};",
            f"  neighbor {n.ip} as {node_asn};",
            f"  {f'multihop {HOPS};' if far else ''}",
            "  connect delay time 1; connect retry time 2; error wait time 1, 5;",
            "  ipv4 { import all; export where source = RTS_STATIC; next hop self; };",
            "}",
        ]
    return "\n".join(out) + "\n"


def _gobgp_config(peer, nodes, node_asn):
    f = peer.facts
    neighbors = []
    for n in nodes:
        neighbor = {
            "config": {"neighbor-address": n.ip, "peer-as": node_asn},
            "transport": {"config": {"local-address": peer.ip}},
            "timers": {"config": {"connect-retry": 10, "idle-hold-time-after-reset": 1}},
        }
        if n.subnet != peer.subnet and f["asn"] != node_asn:
            neighbor["ebgp-multihop"] = {"config": {"enabled": True, "multihop-ttl": HOPS}}
        neighbors.append(neighbor)
    conf = {"global": {"config": {"as": f["asn"], "router-id": peer.ip}}, "neighbors": neighbors}
    return json.dumps(conf, indent=1) + "\n"


# kind -> the file's name, who writes it, the daemon, a question that it answers when it is up
_KIND = {
    "bird": (
        "bird.conf",
        _bird_config,
        ["bird", "-f", "-s", "/run/bird.ctl", "-c", f"{ns.OWN_DIR}/bird.conf"],
        [*BIRDC, "show", "status"],
    ),
    "gobgp": (
        "gobgpd.json",
        _gobgp_config,
        ["gobgpd", "--pprof-disable", "-t", "json", "-f", f"{ns.OWN_DIR}/gobgpd.json"],
        [*GOBGP, "global"],
    ),
}


def _free_address(lab, subnet):
    used = {p.ip for p in lab.peers}
    for last in range(plan.PEER_FIRST, plan.PEER_LAST + 1):
        ip = f"192.168.{subnet}.{last}"
        if ip not in used:
            return ip
    raise LabError(f"subnet {subnet} has no address left for a peer")


def create(lab, name, kind, asn=DEFAULT_ASN, prefixes=(), config=None, subnet=1, node_asn=plan.ASN):
    """Returns when the daemon answers; its sessions come up when the agents want them."""
    plan.peer_name(name)
    need.programs(need.PEER_PROGRAMS[kind])
    if not 1 <= subnet <= lab.facts["subnets"]:
        raise LabError(f"--subnet {subnet}: this lab has 1 to {lab.facts['subnets']}")
    if not 1 <= asn <= 4294967294:
        raise LabError(f"--asn {asn}: want 1 to 4294967294")
    for p in prefixes:
        try:
            if ipaddress.ip_network(p).version != 4:
                raise LabError(f"--prefix {p}: only IPv4 so far")
        except ValueError as e:
            raise LabError(f"--prefix {p}: {e}") from None
    with lab.edit() as facts:
        if lab.host(name):
            raise LabError(f"peer {name} exists already")
        more = {"kind": kind, "asn": asn, "prefixes": list(prefixes)}
        ip = _free_address(lab, subnet)
        facts["peers"][name] = labs.make_host(lab, name, subnet, ip, f"peer-{name}", more)
    peer = lab.host(name)
    try:
        infra.plug(lab, [peer])
        _start(lab, peer, config, node_asn)
    except BaseException:
        delete(lab, name)
        raise
    return peer


def _start(lab, peer, config, node_asn):
    file, write, daemon, question = _KIND[peer.facts["kind"]]
    if config is None:
        with open(peer.path(file), "w", encoding="utf-8") as f:
            f.write(write(peer, lab.nodes, node_asn))
    else:
        shutil.copyfile(config, peer.path(file))
    for p in peer.facts["prefixes"]:  # somebody must answer under the first address of it
        net = ipaddress.ip_network(p)
        first = net.network_address + (1 if net.prefixlen < 31 else 0)
        _must(peer, ["ip", "addr", "add", f"{first}/32", "dev", "lo"])
    pid = ns.spawn(peer.pid, daemon, ENV, peer.path("log"))
    limit = time.monotonic() + START_S
    while ns.run(peer.pid, question, env=ENV).returncode != 0:
        if agent.wait_gone(pid, 0.05):
            raise LabError(f"{peer.name}: {daemon[0]} ended:\n{_tail(peer)}")
        if time.monotonic() > limit:
            raise LabError(f"{peer.name}: {daemon[0]} does not answer:\n{_tail(peer)}")
    if peer.facts["kind"] == "gobgp":
        for p in peer.facts["prefixes"]:
            _must(peer, [*GOBGP, "global", "rib", "add", p, "nexthop", peer.ip])


def _tail(peer):
    with open(peer.path("log"), encoding="utf-8", errors="replace") as f:
        return "".join(f.readlines()[-5:]).rstrip()


def _must(peer, argv):
    r = ns.run(peer.pid, argv, env=ENV)
    if r.returncode != 0:
        raise LabError(f"{peer.name}: {' '.join(argv)}: {(r.stderr or r.stdout).strip()}")
    return r.stdout


def get(lab, name):
    host = lab.host(name)
    if host is None or "kind" not in host.facts:
        raise LabError(f"lab {lab.name!r} has no peer {name!r}")
    return host


def delete(lab, name):
    peer = get(lab, name)
    clean.remove_host(peer)
    with lab.edit() as facts:
        facts["peers"].pop(name, None)


def routes_text(peer):
    peer.need_alive()
    if peer.facts["kind"] == "bird":
        return _must(peer, [*BIRDC, "show", "route", "all"])
    return _must(peer, [*GOBGP, "global", "rib"])


def routes(peer):
    """[{prefix, best, from, next_hop, as_path, local_pref, med, communities}], by prefix."""
    peer.need_alive()
    if peer.facts["kind"] == "bird":
        found = bird_routes(_must(peer, [*BIRDC, "show", "route", "all"]))
    else:
        found = _gobgp_routes(json.loads(_must(peer, [*GOBGP, "global", "rib", "-j"]) or "{}"))
    names = {n.name: n.ip for n in peer.lab.nodes}
    for route in found:
        route["from"] = names.get(route["from"], route["from"])
    return sorted(found, key=lambda r: (r["prefix"], r["from"] or ""))


_BIRD_HEAD = re.compile(r"^(\S*)\s+(\S+) \[(\S+) \S+(?: from (\S+))?\] (\*?)")
_BIRD_ATTR = re.compile(r"^\tBGP\.(\w+): (.*)$")


def _route(prefix, best, source):
    return {
        "prefix": prefix,
        "best": best,
        "from": source,
        "next_hop": None,
        "as_path": [],
        "local_pref": None,
        "med": None,
        "communities": [],
    }


def bird_routes(text):
    """Of `show route all`, the routes learned by BGP. A further path has no prefix in front."""
    out, prefix, route = [], None, None
    for line in text.splitlines():
        head = _BIRD_HEAD.match(line)
        if head:
            prefix = head[1] or prefix
            route = _route(prefix, head[5] == "*", head[3])
        attr = _BIRD_ATTR.match(line)
        if not attr or route is None:
            continue
        if route not in out:
            out.append(route)
        _bird_attr(route, attr[1], attr[2].strip())
    return out


def _bird_attr(route, name, value):
    if name == "next_hop":
        route["next_hop"] = value.split()[0]
    elif name == "as_path":
        route["as_path"] = [int(x) for x in value.split() if x.isdigit()]
    elif name in ("local_pref", "med"):
        route[name] = int(value)
    elif name == "community":
        route["communities"] = [f"{a}:{b}" for a, b in re.findall(r"\((\d+),(\d+)\)", value)]


def _gobgp_routes(table):
    out = []
    for prefix, paths in table.items():
        for path in paths:
            source = path.get("neighbor-ip")
            if not source or source in ("<nil>", "0.0.0.0", "invalid IP"):
                continue  # its own
            route = _route(prefix, bool(path.get("best")), source)
            for attr in path["attrs"]:
                _gobgp_attr(route, attr)
            out.append(route)
    return out


def _gobgp_attr(route, attr):
    kind = attr["type"]
    if kind == 2:
        route["as_path"] = [asn for seg in attr.get("as_paths") or [] for asn in seg["asns"]]
    elif kind in (3, 14) and attr.get("nexthop"):
        route["next_hop"] = attr["nexthop"]
    elif kind == 4:
        route["med"] = attr.get("metric", attr.get("value"))
    elif kind == 5:
        route["local_pref"] = attr.get("value")
    elif kind == 8:
        route["communities"] = [f"{c >> 16}:{c & 65535}" for c in attr.get("communities", [])]
