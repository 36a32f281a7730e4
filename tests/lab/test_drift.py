# SPDX-License-Identifier: Apache-2.0
"""Somebody changes what is ours in the kernel: it returns within a second and is counted, and what
is not ours stays as it is. Each lab is one of the families with one of the iptables variants."""

import ipaddress
import json
import re
import time

import pytest

from lablib import guest_inside

RETURN_S = guest_inside.patience(1)
QUIET_S = 1.5  # longer than every poll that is not a whole audit
LABS = [(f, v) for v in ("nft", "legacy") for f in ("4", "6", "46")]
TOOLS = {4: "iptables", 6: "ip6tables"}
PODS, NODES = "kube-router-pod-subnets", "kube-router-node-ips"
SPARE = {4: "198.51.100.0/24", 6: "2001:db8:51::/64"}  # of the foreign rows
FOREIGN_DEV = {4: "203.0.113.1/24", 6: "2001:db8:113::1/64"}
VIA = {4: "203.0.113.9", 6: "2001:db8:113::9"}
OURS = re.compile(r"kube-router-pod-subnets|on node interface with|bound traffic (to|from) pods")


class Drift:
    """One lab, its first node, and what the tests ask of it."""

    def __init__(self, lab, variant):
        self.lab, self.variant = lab, variant
        self.node, self.other = lab.node(1), lab.node(2)
        self.families = [4 if "." in ip else 6 for ip in self.node.ips]
        self.exec = self.node.exec

    def tool(self, family, *words):
        return self.exec(f"{TOOLS[family]}-{self.variant}", *words)

    def set(self, family, name):
        return name if family == 4 else f"inet6:{name}"

    def pod_cidr(self, node, family):
        return node.pod_cidrs[self.families.index(family)]

    def drift(self, table):
        return {t["name"]: t["drift"] for t in self.node.show("status")["tables"]}[table]

    def routes(self, family, *words):
        return self.node.json("ip", f"-{family}", "-j", "route", "show", *words)

    def ours(self, family):
        """Everything that is ours, as tools show it."""
        saved = self.exec(f"{TOOLS[family]}-{self.variant}-save").splitlines()
        sets = {}
        for name in (PODS, NODES):
            found = self.node.ipset(self.set(family, name))
            sets[name] = found and (found["type"], sorted(found["members"]))
        link = (self.node.json("ip", "-j", "link", "show", "dev", "kube-bridge") or [{}])[0]
        return {
            "link": {"mtu": link.get("mtu"), "up": "UP" in link.get("flags", [])},
            "routes": sorted((r["dst"], r.get("gateway")) for r in
                             self.routes(family, "proto", "17")),
            # their order among themselves means nothing: all of a slot have the same target
            "rules": sorted(line for line in saved if OURS.search(line)),
            "sets": sets,
            "bridge": sorted(
                f"{a['local']}/{a['prefixlen']}"
                for link in self.node.json("ip", f"-{family}", "-j", "addr", "show", "dev",
                                           "kube-bridge")
                for a in link["addr_info"] if a["scope"] == "global"),
        }

    def foreign(self, family):
        """Everything that is not ours, byte for byte; counters of rules left out."""
        saved = re.sub(r"\[\d+:\d+\]", "", self.exec(f"{TOOLS[family]}-{self.variant}-save"))
        routes = self.exec("ip", f"-{family}", "route", "show", "table", "all")
        sets = self.exec("ipset", "save")
        return {
            "rules": [x for x in saved.splitlines() if x[:1] != "#" and not OURS.search(x)],
            "routes": sorted(re.sub(r" expires \d+sec", "", x) for x in routes.splitlines()
                             if " proto 17" not in x and "lladdr" not in x
                             and "kube-bridge" not in x),
            "policy rules": self.exec("ip", f"-{family}", "rule"),
            "sets": [x for x in sets.splitlines() if PODS not in x and NODES not in x],
        }

    def returns(self, table, *commands, at_least=1):
        """Runs the commands; everything of ours is back in time, counted, and foreign rows are as
        the commands left them. Returns the seconds."""
        before = {f: self.ours(f) for f in self.families}
        counted = self.drift(table)
        # one shell: the agent must not be able to repair between two of them
        self.exec("sh", "-ec", "\n".join(commands))
        start = time.monotonic()
        foreign = {f: self.foreign(f) for f in self.families}
        self.lab.eventually(lambda: self.drift(table) >= counted + at_least, within=RETURN_S)
        for f in self.families:
            self.lab.eventually(
                self.ours, f, has=before[f],
                within=max(0.2, RETURN_S - (time.monotonic() - start)))
        took = time.monotonic() - start
        for f in self.families:
            assert self.ours(f) == before[f]
            assert self.foreign(f) == foreign[f], f"foreign rows of IPv{f} changed"
        print(f"{table}: back after {1000 * took:.0f} ms, looking included")
        return took


def prepare(lab, variant, agent_path):
    """The variant is that of the host, as kubelet's chain says; then agents and a pod each."""
    for node in lab.nodes:
        for tool in TOOLS.values():
            node.exec(f"{tool}-{variant}", "-t", "mangle", "-N", "KUBE-IPTABLES-HINT")
        node.agent.start(path=agent_path)
    d = Drift(lab, variant)
    for f in d.families:
        want = [(d.pod_cidr(d.other, f), d.other.ips[d.families.index(f)])]
        lab.eventually(lambda f=f, want=want: d.ours(f)["routes"] == want, within=60)
    for i in (1, 2):
        lab.pod(f"pod{i}", node=i)
    for f in d.families:
        lab.eventually(lambda f=f: len(d.ours(f)["bridge"]) == 1)
        lab.eventually(lambda f=f: len(d.ours(f)["rules"]) == 4)
        lab.eventually(lambda f=f: len(d.ours(f)["sets"][PODS][1]) == 2)
    return d


def add_foreign(d):
    """Rows of other programs, beside and between ours."""
    d.exec("ip", "link", "add", "foreign0", "type", "veth", "peer", "name", "foreign1")
    for end in ("foreign0", "foreign1"):
        d.exec("ip", "link", "set", end, "up")
    for f in d.families:
        d.exec("ip", f"-{f}", "addr", "add", FOREIGN_DEV[f], "dev", "foreign0",
               *(["nodad"] if f == 6 else []))
        d.exec("ip", f"-{f}", "route", "add", SPARE[f], "via", VIA[f], "proto", "static")
        d.exec("ip", f"-{f}", "rule", "add", "from", SPARE[f], "lookup", "77")
        family = "inet" if f == 4 else "inet6"
        d.exec("ipset", "create", f"foreign{f}", "hash:net", "family", family, "timeout", "0")
        d.exec("ipset", "add", f"foreign{f}", SPARE[f], "timeout", "0")
        d.tool(f, "-N", "FOREIGN")
        d.tool(f, "-A", "FOREIGN", "-m", "set", "--match-set", f"foreign{f}", "src", "-j", "DROP")
        d.tool(f, "-I", "FORWARD", "2", "-s", SPARE[f], "-j", "FOREIGN")
        d.tool(f, "-A", "FORWARD", "-d", SPARE[f], "-j", "ACCEPT")
        d.tool(f, "-t", "nat", "-I", "POSTROUTING", "-s", SPARE[f], "-j", "RETURN")
        d.tool(f, "-t", "nat", "-A", "POSTROUTING", "-d", SPARE[f], "-j", "RETURN")
    time.sleep(QUIET_S)


@pytest.fixture(scope="module", params=LABS, ids=lambda p: f"ipv{p[0]}-{p[1]}")
def drift(request, module_lab_factory, agent_path):
    families, variant = request.param
    made = module_lab_factory(nodes=2, agent=None, families=families)
    d = prepare(made, variant, agent_path)
    add_foreign(d)
    assert all(t["drift"] == 0 for t in d.node.show("status")["tables"]), "nothing was ours"
    return d


def each(d, text):
    """The command for each family: {f} its number, {tool} its iptables, {x} "" or "inet6:"."""
    return [text.format(f=f, tool=f"{TOOLS[f]}-{d.variant}", x="" if f == 4 else "inet6:",
                        cidr=d.pod_cidr(d.other, f), own=d.pod_cidr(d.node, f),
                        own_gateway=str(next(ipaddress.ip_network(d.pod_cidr(d.node, f)).hosts())),
                        other_ip=d.other.ips[d.families.index(f)],
                        len=ipaddress.ip_network(d.pod_cidr(d.node, f)).prefixlen)
            for f in d.families]


def test_our_routes_flushed(drift):
    drift.returns("routes", *each(drift, "ip -{f} route flush proto 17"),
                  at_least=len(drift.families))


def test_our_chains_flushed(drift):
    drift.returns("iptables", *each(drift, "{tool} -F FORWARD"), at_least=len(drift.families))


def test_one_rule_deleted(drift):
    drift.returns("iptables", *each(
        drift, "{tool} -D FORWARD -i kube-bridge -m comment "
               "--comment 'allow outbound traffic from pods' -j ACCEPT"))


def test_masquerade_flushed(drift):
    drift.returns("iptables", *each(drift, "{tool} -t nat -F POSTROUTING"))


def test_a_rule_of_somebody_else_is_left_where_it_is(drift):
    """Even before ours: where another program wants its rules is its business."""
    counted = drift.drift("iptables")
    commands = each(drift, "{tool} -I FORWARD -s 0/0 -j RETURN")
    commands = [c.replace("-s 0/0", "-i foreign0") for c in commands]
    drift.exec("sh", "-ec", "\n".join(commands))
    before = {f: (drift.foreign(f), drift.ours(f)) for f in drift.families}
    time.sleep(QUIET_S)
    assert before == {f: (drift.foreign(f), drift.ours(f)) for f in drift.families}
    assert drift.drift("iptables") == counted


def test_member_deleted(drift):
    drift.returns("ipset-members", *each(drift, f"ipset del {{x}}{NODES} {{other_ip}}"))


def test_set_flushed(drift):
    drift.returns("ipset-members", *each(drift, f"ipset flush {{x}}{PODS}"),
                  at_least=2 * len(drift.families))


def test_member_added_by_somebody_goes(drift):
    def extra():
        return [m for f in drift.families
                for m in drift.node.ipset(drift.set(f, PODS))["members"]
                if m == SPARE[f]]

    for f in drift.families:
        drift.exec("ipset", "add", drift.set(f, PODS), SPARE[f], "timeout", "0")
    assert extra()
    drift.lab.eventually(lambda: not extra(), within=RETURN_S)


def test_set_destroyed(drift):
    drift.returns("ipsets", *each(
        drift, f"{{tool}} -t nat -F POSTROUTING; ipset destroy {{x}}{NODES}"),
        at_least=len(drift.families))


def test_bridge_address_deleted(drift):
    drift.returns("addresses",
                  *each(drift, "ip -{f} addr del {own_gateway}/{len} dev kube-bridge"),
                  at_least=len(drift.families))


def test_bridge_down(drift):
    drift.returns("links", "ip link set kube-bridge down")


def test_bridge_down_and_up(drift):
    """Too short to be seen as down; an IPv6 address is gone all the same."""
    before = {f: drift.ours(f) for f in drift.families}
    drift.exec("sh", "-ec", "ip link set kube-bridge down; ip link set kube-bridge up")
    for f in drift.families:
        drift.lab.eventually(drift.ours, f, has=before[f], within=RETURN_S)


def test_mtu_changed(drift):
    drift.returns("links", "ip link set kube-bridge mtu 1400")


def eth0_again(d):
    """What an operator's network configuration would put back after eth0 came up."""
    out = []
    for f in d.families:
        if f == 6:
            addr = next(a for a in d.node.links()["eth0"]["addr_info"]
                        if a["family"] == "inet6" and a["scope"] == "global")
            out.append(f"ip -6 addr replace {addr['local']}/{addr['prefixlen']} dev eth0 nodad")
        for r in d.routes(f, "default"):
            out.append(f"ip -{f} route replace default via {r['gateway']} dev {r['dev']}")
    return out


def test_node_interface_down_and_up(drift):
    """IPv4 routes go without a message, IPv6 addresses with the link. Down for longer than the
    first tries of what fails meanwhile: with the link up again they are due at once."""
    before = {f: drift.ours(f) for f in drift.families}
    again = eth0_again(drift)
    drift.exec("ip", "link", "set", "eth0", "down")
    for f in drift.families:
        drift.lab.eventually(lambda f=f: drift.ours(f)["routes"] == [])
    time.sleep(3)
    drift.exec("sh", "-ec", "\n".join(["ip link set eth0 up", *again]))
    start = time.monotonic()
    for f in drift.families:
        drift.lab.eventually(drift.ours, f, has=before[f], within=RETURN_S)
    print(f"back {1000 * (time.monotonic() - start):.0f} ms after the link, looking included")


def test_route_taken_by_another_program(drift):
    """Another program's route stays; when it goes, ours is back without waiting."""
    for f in drift.families:
        before = drift.ours(f)
        cidr = drift.pod_cidr(drift.other, f)
        # `replace` of IPv6 adds beside ours instead: there, ours has to go first
        if f == 6:
            drift.exec("ip", "-6", "route", "flush", cidr)
        drift.exec("ip", f"-{f}", "route", "replace", cidr, "via", VIA[f], "proto", "static")
        time.sleep(QUIET_S)
        if f == 4:
            assert drift.routes(f, cidr)[0]["protocol"] == "static"
            assert drift.ours(f)["routes"] == []
        drift.exec("ip", f"-{f}", "route", "del", cidr, "via", VIA[f])
        drift.lab.eventually(drift.ours, f, has=before, within=RETURN_S)


def test_sysctl_changed(drift):
    name = "/proc/sys/net/bridge/bridge-nf-call-" + (
        "iptables" if 4 in drift.families else "ip6tables")
    counted = drift.drift("sysctls")
    drift.exec("sh", "-c", f"echo 0 >{name}")
    drift.lab.eventually(lambda: drift.exec("cat", name) == "1\n", within=RETURN_S + 5)
    assert drift.drift("sysctls") == counted + 1


def test_cni_file_changed(drift):
    """Ours is completed again, somebody's additions stay."""
    path = "/etc/cni/net.d/10-kuberouter.conflist"
    conf = json.loads(drift.exec("cat", path))
    want = conf["plugins"][0]["ipam"]["ranges"]
    conf["plugins"][0]["ipam"]["ranges"] = [[{"subnet": SPARE[drift.families[0]]}]]
    conf["plugins"].append({"type": "tuning"})
    drift.exec("sh", "-c", f"cat >{path}", text=json.dumps(conf))
    now = drift.lab.eventually(
        lambda: json.loads(drift.exec("cat", path)),
        has={"plugins": [{"type": "bridge", "ipam": {"ranges": want}}, {"type": "tuning"}]},
        within=RETURN_S + 1)
    assert now["plugins"][0]["ipam"]["ranges"] == want
    time.sleep(QUIET_S)
    assert json.loads(drift.exec("cat", path)) == now


def test_audit_is_counted_and_cheap(drift):
    text = drift.exec("/usr/bin/python3", "-c",
                      "import urllib.request as u;"
                      "print(u.urlopen('http://127.0.0.1:8080/metrics').read().decode())")
    seen = dict(re.findall(r'^kube_router_(\w+\{table="\w+"\}) (\S+)$', text, re.M))
    uptime = float(re.search(r"^process_start_time_seconds (\S+)$", text, re.M)[1])
    spent = sum(float(v) for k, v in seen.items() if k.startswith("audit_seconds_total"))
    for table in ("ipsets", "iptables", "sysctls", "files"):
        assert float(seen[f'audit_cycles_total{{table="{table}"}}']) >= 1
        assert float(seen[f'audit_age_seconds{{table="{table}"}}']) >= 0
    print(f"{spent:.3f} s of {time.time() - uptime:.0f} s in audits, repairs included")


def test_foreign_rows_stay_over_all_of_it(drift):
    """Not the rules: tests before this one flushed chains with foreign rules in them."""
    for f in drift.families:
        found = drift.foreign(f)
        assert any(SPARE[f] in x and "static" in x for x in found["routes"])
        assert f"create foreign{f}" in "\n".join(found["sets"])
        assert "lookup 77" in found["policy rules"]
        assert any(x.startswith("-A FOREIGN ") for x in found["rules"])


def test_restart_sends_nothing(drift):
    """What is right is adopted: no operation, no restore, not a byte different."""
    before = {f: (drift.ours(f), drift.foreign(f)) for f in drift.families}
    drift.node.agent.restart()
    drift.lab.eventually(lambda: drift.node.show("status")["ready"], within=30)
    drift.lab.eventually(lambda: not drift.node.show("status")["kept"], within=60)
    time.sleep(QUIET_S)
    text = drift.exec("/usr/bin/python3", "-c",
                      "import urllib.request as u;"
                      "print(u.urlopen('http://127.0.0.1:8080/metrics').read().decode())")
    sent = dict(re.findall(r'^kube_router_table_operations_total\{table="([\w-]+)"\} (\S+)$',
                           text, re.M))
    kernel = ("sysctls", "ipsets", "ipset-members", "iptables", "links", "addresses", "routes",
              "files")
    assert {t: sent[t] for t in kernel} == {t: "0" for t in kernel}
    assert before == {f: (drift.ours(f), drift.foreign(f)) for f in drift.families}
    assert all(t["drift"] == 0 for t in drift.node.show("status")["tables"])


def test_bridge_deleted(drift):
    """Pods lost their cables, but new ones find the bridge and its address as before."""
    drift.returns("links", "ip link del kube-bridge")
    drift.lab.pod("after", node=1)
    assert drift.lab.pod("after2", node=2).connect("after").result == "ok"
