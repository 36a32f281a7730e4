# SPDX-License-Identifier: Apache-2.0
"""What differs between the routers that `./lab peer` starts: how each is configured, started and
asked for its routes. One class for each kind, all with the same members:

    file, config()       its configuration, written for a peer and the nodes
    prepare(peer)        commands that make the directories which its package expects
    daemons()            [(argv, question)]: started in this order; a question is a command that
                         succeeds once the daemon answers
    originate(prefix)    a command that announces it, or None if the configuration does
    show                 commands whose output is `./lab peer NAME routes`
    routes(run)          [route()]; run(argv) gives a command's output

There is one session with each node, over the lab's first family, and it carries all families.
"""

import ipaddress
import json
import re

from lablib import ns

HOPS = 4  # to a node in another subnet
AFI = {4: "ipv4", 6: "ipv6"}


def route(prefix, best, source):
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


def families(peer):
    """(4 or 6, the peer's address of it), the one over which it speaks first."""
    return [(6 if ":" in ip else 4, ip) for ip in peer.ips]


def prefixes(peer, family):
    return [p for p in peer.facts["prefixes"] if ipaddress.ip_network(p).version == family]


def router_id(peer):
    """An IPv4 address has the lab's host number in its last place in every family."""
    return f"192.168.{peer.subnet}.{peer.ip.split(':')[-1].split('.')[-1]}"


def is_far(peer, node, node_asn):
    """An eBGP neighbour on another subnet, which BGP refuses unless told."""
    return node.subnet != peer.subnet and peer.facts["asn"] != node_asn


class Bird:
    file = "bird.conf"
    show = [["birdc", "-s", "/run/bird.ctl", "show", "route", "all"]]

    @staticmethod
    def prepare(_peer):
        return []

    @staticmethod
    def daemons():
        start = ["bird", "-f", "-s", "/run/bird.ctl", "-c", f"{ns.OWN_DIR}/{Bird.file}"]
        return [(start, ["birdc", "-s", "/run/bird.ctl", "show", "status"])]

    @staticmethod
    def config(peer, nodes, node_asn):
        out = [f"router id {router_id(peer)};", "log stderr all;"]
        out += ["protocol device { scan time 10; }"]
        channels = []
        for family, ip in families(peer):
            afi = AFI[family]
            routes = " ".join(f"route {p} unreachable;" for p in prefixes(peer, family))
            out += [f'protocol direct {{ {afi}; interface "eth0"; }}']
            out += [f"protocol static {{ {afi}; {routes} }}"]
            out += [f"protocol kernel {{ {afi} {{ import none; export where source = RTS_BGP; }}; }}"]
            channels += [f"  {afi} {{ import all; export where source = RTS_STATIC;"
                         f" next hop address {ip}; }};"]
        for n in nodes:
            out += [
                f"protocol bgp {n.name} {{",
                f"  local {peer.ip} as {peer.facts['asn']};",
                f"  neighbor {n.ip} as {node_asn};",
                f"  {f'multihop {HOPS};' if is_far(peer, n, node_asn) else ''}",
                "  connect delay time 1; connect retry time 2; error wait time 1, 5;",
                *channels,
                "}",
            ]
        return "\n".join(out) + "\n"

    @staticmethod
    def originate(_peer, _prefix):
        return None

    @staticmethod
    def routes(run):
        return bird_routes(run(Bird.show[0]))


_BIRD_HEAD = re.compile(r"^(\S*)\s+(\S+) \[(\S+) \S+(?: from (\S+))?\] (\*?)")
_BIRD_ATTR = re.compile(r"^\tBGP\.(\w+): (.*)$")


def bird_routes(text):
    """Of `show route all`, the routes learned by BGP. A further path has no prefix in front."""
    out, prefix, one = [], None, None
    for line in text.splitlines():
        head = _BIRD_HEAD.match(line)
        if head:
            prefix = head[1] or prefix
            one = route(prefix, head[5] == "*", head[3])
        attr = _BIRD_ATTR.match(line)
        if not attr or one is None:
            continue
        if one not in out:
            out.append(one)
        _bird_attr(one, attr[1], attr[2].strip())
    return out


def _bird_attr(one, name, value):
    if name == "next_hop":
        one["next_hop"] = value.split()[0]
    elif name == "as_path":
        one["as_path"] = [int(x) for x in value.split() if x.isdigit()]
    elif name in ("local_pref", "med"):
        one[name] = int(value)
    elif name == "community":
        one["communities"] = [f"{a}:{b}" for a, b in re.findall(r"\((\d+),(\d+)\)", value)]


class Gobgp:
    file = "gobgpd.json"
    show = [["gobgp", "global", "rib"], ["gobgp", "global", "rib", "-a", "ipv6"]]

    @staticmethod
    def prepare(_peer):
        return []

    @staticmethod
    def daemons():
        start = ["gobgpd", "--pprof-disable", "-t", "json", "-f", f"{ns.OWN_DIR}/{Gobgp.file}"]
        return [(start, ["gobgp", "global"])]

    @staticmethod
    def config(peer, nodes, node_asn):
        names = [f"{AFI[family]}-unicast" for family, _ in families(peer)]
        neighbors = []
        for n in nodes:
            neighbor = {
                "config": {"neighbor-address": n.ip, "peer-as": node_asn},
                "transport": {"config": {"local-address": peer.ip}},
                "timers": {"config": {"connect-retry": 10, "idle-hold-time-after-reset": 1}},
                "afi-safis": [{"config": {"afi-safi-name": name}} for name in names],
            }
            if is_far(peer, n, node_asn):
                neighbor["ebgp-multihop"] = {"config": {"enabled": True, "multihop-ttl": HOPS}}
            neighbors.append(neighbor)
        own = {"config": {"as": peer.facts["asn"], "router-id": router_id(peer)}}
        return json.dumps({"global": own, "neighbors": neighbors}, indent=1) + "\n"

    @staticmethod
    def originate(peer, prefix):
        family = ipaddress.ip_network(prefix).version
        ip = dict(families(peer))[family]
        return ["gobgp", "global", "rib", "add", prefix, "nexthop", ip, "-a", AFI[family]]

    @staticmethod
    def routes(run):
        out = []
        for afi in AFI.values():
            table = json.loads(run(["gobgp", "global", "rib", "-a", afi, "-j"]) or "{}")
            out += _gobgp_routes(table)
        return out


def _gobgp_routes(table):
    out = []
    for prefix, paths in table.items():
        for path in paths:
            source = path.get("neighbor-ip")
            if not source or source in ("<nil>", "0.0.0.0", "::", "invalid IP"):
                continue  # its own
            one = route(prefix, bool(path.get("best")), source)
            for attr in path["attrs"]:
                _gobgp_attr(one, attr)
            out.append(one)
    return out


def _gobgp_attr(one, attr):
    kind = attr["type"]
    if kind == 2:
        one["as_path"] = [asn for seg in attr.get("as_paths") or [] for asn in seg["asns"]]
    elif kind in (3, 14) and attr.get("nexthop"):
        one["next_hop"] = attr["nexthop"]
    elif kind == 4:
        one["med"] = attr.get("metric", attr.get("value"))
    elif kind == 5:
        one["local_pref"] = attr.get("value")
    elif kind == 8:
        one["communities"] = [f"{c >> 16}:{c & 65535}" for c in attr.get("communities", [])]


class Frr:
    """zebra writes what bgpd learns into the kernel. Each has its own socket for questions, so
    one word of vtysh reaches either."""

    file = "frr.conf"
    show = [["vtysh", "-c", f"show bgp {afi} unicast"] for afi in AFI.values()]

    @staticmethod
    def prepare(_peer):
        """Its own user, and a /var/tmp of its own, where it leaves logs of crashes."""
        return [["mount", "-t", "tmpfs", "tmpfs", "/var/tmp"],
                ["install", "-d", "-o", "frr", "-g", "frr", "/run/frr", "/var/tmp/frr"],
                ["install", "-o", "frr", "-g", "frr", f"{ns.OWN_DIR}/{Frr.file}", "/run/frr"]]

    @staticmethod
    def daemons():
        out = []
        for name, more in (("zebra", []), ("bgpd", ["-p", "179", "-f", f"/run/frr/{Frr.file}"])):
            start = [f"/usr/lib/frr/{name}", "--log", "stdout", *more]
            out.append((start, ["vtysh", "-d", name, "-c", "show version"]))
        return out

    @staticmethod
    def config(peer, nodes, node_asn):
        out = ["frr defaults datacenter", "log stdout"]
        for family, ip in families(peer):
            if family == 6:
                out += ["route-map own6 permit 10", f" set ipv6 next-hop global {ip}", "exit"]
        out += [f"router bgp {peer.facts['asn']}", f" bgp router-id {router_id(peer)}"]
        out += [" no bgp ebgp-requires-policy", " no bgp default ipv4-unicast"]
        out += [" no bgp network import-check"]
        for n in nodes:
            out += [f" neighbor {n.ip} remote-as {node_asn}", f" neighbor {n.ip} timers connect 2"]
            out += [f" neighbor {n.ip} update-source {peer.ip}"]
            out += [f" neighbor {n.ip} ebgp-multihop {HOPS}"] * is_far(peer, n, node_asn)
        for family, _ in families(peer):
            out += [f" address-family {AFI[family]} unicast"]
            out += [f"  network {p}" for p in prefixes(peer, family)]
            for n in nodes:
                out += [f"  neighbor {n.ip} activate"]
                out += [f"  neighbor {n.ip} route-map own6 out"] if family == 6 else [
                    f"  neighbor {n.ip} next-hop-self"]
            out += [" exit-address-family"]
        return "\n".join([*out, "exit"]) + "\n"

    @staticmethod
    def originate(_peer, _prefix):
        return None

    @staticmethod
    def routes(run):
        out = []
        for afi in AFI.values():
            found = json.loads(run(["vtysh", "-c", f"show bgp {afi} unicast json detail"]) or "{}")
            for prefix, paths in (found.get("routes") or {}).items():
                paths = paths["paths"] if isinstance(paths, dict) else paths
                out += [_frr_path(prefix, path) for path in paths
                        if path.get("peer", {}).get("peerId") not in (None, "0.0.0.0", "::")]
        return out


def _frr_path(prefix, path):
    one = route(prefix, bool(path.get("bestpath", {}).get("overall")), path["peer"]["peerId"])
    hops = path.get("nexthops") or [{}]
    one["next_hop"] = next((h["ip"] for h in hops if h.get("scope") != "link-local"), None)
    one["as_path"] = [int(x) for x in path.get("aspath", {}).get("string", "").split()
                      if x.isdigit()]
    one["med"], one["local_pref"] = path.get("metric"), path.get("locPrf")
    one["communities"] = path.get("community", {}).get("list", [])
    return one


class Openbgpd:
    file = "bgpd.conf"
    show = [["bgpctl", "show", "rib", "detail"]]

    @staticmethod
    def prepare(_peer):
        return [["install", "-d", "/run/openbgpd"]]

    @staticmethod
    def daemons():
        return [(["/usr/sbin/bgpd", "-d", "-f", f"{ns.OWN_DIR}/{Openbgpd.file}"],
                 ["bgpctl", "show", "summary"])]

    @staticmethod
    def config(peer, nodes, node_asn):
        out = [f"AS {peer.facts['asn']}", f"router-id {router_id(peer)}", "fib-update yes"]
        out += [f"network {p} set nexthop {ip}" for family, ip in families(peer)
                for p in prefixes(peer, family)]
        carried = {family for family, _ in families(peer)}
        for n in nodes:
            out += [f"neighbor {n.ip} {{", f"  remote-as {node_asn}"]
            out += [f"  local-address {peer.ip}", f'  descr "{n.name}"']
            out += [f"  multihop {HOPS}"] * is_far(peer, n, node_asn)
            out += [f"  announce {'IPv4' if f == 4 else 'IPv6'} "
                    f"{'unicast' if f in carried else 'none'}" for f in AFI]
            out += ["}"]
        return "\n".join([*out, "allow from any", "allow to any"]) + "\n"

    @staticmethod
    def originate(_peer, _prefix):
        return None

    @staticmethod
    def routes(run):
        out = []
        found = json.loads(run(["bgpctl", "-j", "show", "rib", "detail"]) or "{}")
        for path in found.get("rib") or []:
            if "neighbor" not in path or path.get("announced"):
                continue  # its own
            one = route(path["prefix"], bool(path.get("best")), path["neighbor"]["remote_addr"])
            one["next_hop"] = path.get("exit_nexthop")
            one["as_path"] = [int(x) for x in (path.get("aspath") or "").split() if x.isdigit()]
            one["med"], one["local_pref"] = path.get("metric"), path.get("localpref")
            for attr in path.get("attributes") or []:
                if attr.get("type") == "COMMUNITIES":
                    one["communities"] = attr.get("communities", [])
            out.append(one)
        return out


class Exabgp:
    """Announces, and writes down what it hears; it puts nothing into the kernel."""

    file = "exabgp.conf"
    HEARD = f"{ns.OWN_DIR}/heard"
    show = [["cat", HEARD]]

    @staticmethod
    def prepare(peer):
        """It looks its host up at the start, and waits for a name server where there is none."""
        text = f"127.0.0.1 localhost {peer.name}\\n"
        return [["sh", "-c", f"printf '{text}' >/run/hosts && mount --bind /run/hosts /etc/hosts"]]

    @staticmethod
    def daemons():
        env = ["env", "exabgp.daemon.user=root", "exabgp.api.cli=false", "exabgp.tcp.bind="]
        return [([*env, "exabgp", f"{ns.OWN_DIR}/{Exabgp.file}"], ["test", "-e", Exabgp.HEARD])]

    @staticmethod
    def config(peer, nodes, node_asn):
        out = ["process heard {", f"  run /usr/bin/sed -n -u w{Exabgp.HEARD};"]
        out += ["  encoder json;", "}"]
        for n in nodes:
            out += [f"neighbor {n.ip} {{", f"  router-id {router_id(peer)};"]
            out += [f"  local-address {peer.ip};", f"  local-as {peer.facts['asn']};"]
            out += [f"  peer-as {node_asn};"]
            out += [f"  outgoing-ttl {HOPS};"] * is_far(peer, n, node_asn)
            out += ["  family {", *(f"    {AFI[f]} unicast;" for f, _ in families(peer)), "  }"]
            out += ["  static {"]
            out += [f"    route {p} next-hop {ip};" for family, ip in families(peer)
                    for p in prefixes(peer, family)]
            out += ["  }", "  api { processes [ heard ]; neighbor-changes;"]
            out += ["    receive { parsed; update; } }", "}"]
        return "\n".join(out) + "\n"

    @staticmethod
    def originate(_peer, _prefix):
        return None

    @staticmethod
    def routes(run):
        return exabgp_routes(run(Exabgp.show[0]))


def exabgp_routes(text):
    """The state after all messages heard: {"neighbor": {"address", "message": {"update"}}}."""
    have = {}
    for line in text.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue  # the last line may be half written
        neighbor = told.get("neighbor", {})
        source = neighbor.get("address", {}).get("peer")
        if told.get("type") == "state" and neighbor.get("state") == "down":
            have = {key: one for key, one in have.items() if key[0] != source}
        update = neighbor.get("message", {}).get("update", {})
        for gone in update.get("withdraw", {}).values():
            for nlri in gone:
                have.pop((source, nlri["nlri"]), None)
        for by_hop in update.get("announce", {}).values():
            for hop, nlris in by_hop.items():
                for nlri in nlris if isinstance(nlris, list) else []:
                    have[source, nlri["nlri"]] = _exabgp_route(nlri["nlri"], source, hop, update)
    return list(have.values())


def _exabgp_route(prefix, source, hop, update):
    attrs = update.get("attribute", {})
    one = route(prefix, True, source)  # it does not choose
    path = attrs.get("as-path", [])
    if isinstance(path, dict):
        path = [asn for seg in path.values() for asn in seg.get("value", [])]
    one.update(next_hop=hop, as_path=path, med=attrs.get("med"),
               local_pref=attrs.get("local-preference"))
    one["communities"] = [f"{a}:{b}" for a, b in attrs.get("community", [])]
    return one


KINDS = {"bird": Bird, "frr": Frr, "gobgp": Gobgp, "openbgpd": Openbgpd, "exabgp": Exabgp}
