# SPDX-License-Identifier: Apache-2.0
"""What the API server hands out to Services: cluster IPs of each family, node ports.

    admit(kind, old, obj)     in a create or update, before the commit: completes or refuses
    committed(kind, change)   at each commit: what is in use is exactly what stored Services have

Numbers are given in rising order and start again at the bottom, so one that was freed is not used
again at once.
"""

import ipaddress

from . import errors

NODE_PORTS = (30000, 32767)
NAMES = {4: "IPv4", 6: "IPv6"}
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"


class Pool:
    """Numbers from low to high."""

    def __init__(self, low, high):
        self.low, self.high, self.next = low, high, low
        self.used = {}  # number -> the key of its service

    def pick(self):
        """A free number, or None."""
        for _ in range(len(self.used) + 1):
            number = self.next
            self.next = self.low if number == self.high else number + 1
            if number not in self.used:
                return number
        return next((n for n in range(self.low, self.high + 1) if n not in self.used), None)


def _pool_of(net):
    """Without the network's own address and, for IPv4, the broadcast address."""
    return Pool(int(net[1]), int(net[-1]) - (1 if net.version == 4 else 0))


def _ports(spec):
    """(protocol, node port) that a stored service occupies."""
    out = [(p["protocol"], p["nodePort"]) for p in spec.get("ports") or [] if p.get("nodePort")]
    if spec.get("healthCheckNodePort"):
        out.append(("TCP", spec["healthCheckNodePort"]))
    return out


def _ips(spec):
    return [ip for ip in spec.get("clusterIPs") or [] if ip and ip != "None"]


class ServiceNumbers:
    def __init__(self, ranges):
        """ranges: networks, at most one of each family, the primary family first."""
        self.ranges = {NAMES[net.version]: net for net in ranges}
        self.families = list(self.ranges)
        self.pools = {family: _pool_of(net) for family, net in self.ranges.items()}
        self.ports = {proto: Pool(*NODE_PORTS) for proto in ("TCP", "UDP", "SCTP")}

    def committed(self, kind, change):
        if kind.plural != "services":
            return
        if change.old is not None:
            self._each(change.old, lambda pool, number, key: pool.used.pop(number, None))
        if change.type != "DELETED":
            self._each(change.new, lambda pool, number, key: pool.used.update({number: key}))

    def _each(self, version, fn):
        spec = version.obj["spec"]
        for ip in _ips(spec):
            address = ipaddress.ip_address(ip)
            fn(self.pools[NAMES[address.version]], int(address), version.key)
        for proto, port in _ports(spec):
            fn(self.ports[proto], port, version.key)

    # --- one service on its way in ---------------------------------------------------------------

    def admit(self, kind, old, obj):
        """old: the stored object, or None in a creation. Writes into obj."""
        spec = obj["spec"]
        was = old["spec"] if old else {}
        key = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
        for i, port in enumerate(spec.get("ports") or []):
            if port["protocol"] not in self.ports:
                self._refuse(kind, obj, f"ports[{i}].protocol",
                             f"Unsupported value: {port['protocol']!r}")
            if not 1 <= (port.get("port") or 0) <= 65535:
                self._refuse(kind, obj, f"ports[{i}].port", f"Invalid value: {port.get('port', 0)}:"
                                                            " must be between 1 and 65535")
        if spec["type"] == "ExternalName":
            for member in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(member, None)
        else:
            if was.get("type") not in (None, "ExternalName"):
                self._inherit(kind, obj, was)
            self._families(kind, obj)
            self._addresses(kind, obj, key)
        self._node_ports(kind, obj, was, key)

    def _refuse(self, kind, obj, field, why):
        raise errors.invalid(kind, obj["metadata"]["name"], f"spec.{field}", why)

    def _inherit(self, kind, obj, was):
        """What an update leaves out stays; a cluster IP cannot be changed."""
        spec = obj["spec"]
        if not spec.get("clusterIP"):
            spec["clusterIP"] = was.get("clusterIP", "")
            spec["clusterIPs"] = list(was.get("clusterIPs") or [])
        elif spec["clusterIP"] != was.get("clusterIP"):
            self._refuse(kind, obj, "clusterIPs[0]",
                         f"Invalid value: {spec['clusterIP']!r}: may not change once set")
        if not spec.get("ipFamilyPolicy"):
            spec["ipFamilyPolicy"] = was.get("ipFamilyPolicy")
        if not spec.get("ipFamilies"):
            spec["ipFamilies"] = list(was.get("ipFamilies") or [])

    def _families(self, kind, obj):
        spec = obj["spec"]
        given = [ip for ip in spec.get("clusterIPs") or [] if ip]
        headless = given[:1] == ["None"]
        free = headless and not spec.get("selector")  # its endpoints may be of any family
        wanted = list(spec.get("ipFamilies") or [])
        for ip in [] if headless else given[len(wanted):]:
            wanted.append(NAMES[self._parse(kind, obj, ip).version])
        policy = spec.get("ipFamilyPolicy")
        if not policy:
            policy = REQUIRE if len(wanted) > 1 or (free and not wanted) else SINGLE
        known = list(NAMES.values()) if free else self.families
        for family in wanted:
            if family not in known:
                self._refuse(kind, obj, "ipFamilies", f"Invalid value: {family!r}: not configured"
                                                      " on this cluster")
        if policy == REQUIRE and len(known) < 2:
            self._refuse(kind, obj, "ipFamilyPolicy", f"Invalid value: {policy!r}: this cluster is"
                                                      " not configured for dual-stack services")
        wanted = wanted or self.families[:1]
        if policy == SINGLE:
            wanted = wanted[:1]
        else:
            wanted += [f for f in self.families + known if f not in wanted]
            wanted = list(dict.fromkeys(wanted))
        spec["ipFamilyPolicy"], spec["ipFamilies"] = policy, wanted

    def _parse(self, kind, obj, text):
        try:
            return ipaddress.ip_address(text)
        except ValueError:
            return self._refuse(kind, obj, "clusterIPs", f"Invalid value: {text!r}: must be empty,"
                                                         " 'None', or a valid IP address")

    def _addresses(self, kind, obj, key):
        spec = obj["spec"]
        given = [ip for ip in spec.get("clusterIPs") or [] if ip]
        if given[:1] == ["None"]:
            spec["clusterIP"], spec["clusterIPs"] = "None", ["None"]
            return
        out = []
        for i, family in enumerate(spec["ipFamilies"]):
            pool = self.pools[family]
            if i < len(given):
                out.append(self._claim(kind, obj, given[i], family, key))
                continue
            number = pool.pick()
            if number is None:
                raise errors.StatusError(500, "Internal error occurred: failed to allocate a"
                                              " serviceIP: range is full")
            out.append(str(ipaddress.ip_address(number)))
        spec["clusterIP"], spec["clusterIPs"] = out[0], out

    def _claim(self, kind, obj, text, family, key):
        address = self._parse(kind, obj, text)
        pool = self.pools[family]
        if NAMES[address.version] != family or not pool.low <= int(address) <= pool.high:
            self._refuse(kind, obj, "clusterIPs", f"Invalid value: {text!r}: the provided IP is not"
                                                  f" in the valid range {self.ranges[family]}")
        if pool.used.get(int(address), key) != key:
            self._refuse(kind, obj, "clusterIPs", f"Invalid value: {text!r}: provided IP is"
                                                  " already allocated")
        return str(address)

    def _node_ports(self, kind, obj, was, key):
        spec = obj["spec"]
        rows = spec.get("ports") or []
        had = {(p["protocol"], p["port"]): p.get("nodePort", 0) for p in was.get("ports") or []}
        if spec["type"] not in ("NodePort", "LoadBalancer"):
            for port in rows:
                number = port.pop("nodePort", 0)
                if number and number not in had.values():
                    self._refuse(kind, obj, "ports[].nodePort", f"Forbidden: {number}: may not be"
                                                                " used with this type")
            spec.pop("healthCheckNodePort", None)
            return
        on_request = (spec["type"] == "LoadBalancer"
                      and spec.get("allocateLoadBalancerNodePorts") is False)
        taken = {}  # port -> node port: the same for all protocols, where that can be
        for port in rows:
            port["nodePort"] = port.get("nodePort") or had.get((port["protocol"], port["port"]), 0)
            if port["nodePort"]:
                self._check_port(kind, obj, port["protocol"], port["nodePort"], key)
                taken[port["port"]] = port["nodePort"]
        chosen = {(p["protocol"], p["nodePort"]) for p in rows}
        for port in rows:
            if port["nodePort"] or on_request:
                continue
            pair = (port["protocol"], taken.get(port["port"], 0))
            if not pair[1] or pair in chosen or pair[1] in self.ports[pair[0]].used:
                pair = (port["protocol"], self._free_port(port["protocol"], chosen))
            port["nodePort"] = taken[port["port"]] = pair[1]
            chosen.add(pair)
        self._health_port(kind, obj, was, key, chosen)

    def _health_port(self, kind, obj, was, key, chosen):
        spec = obj["spec"]
        if spec["type"] != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local":
            spec.pop("healthCheckNodePort", None)
            return
        number = spec.get("healthCheckNodePort") or was.get("healthCheckNodePort")
        if number:
            self._check_port(kind, obj, "TCP", number, key)
        spec["healthCheckNodePort"] = number or self._free_port("TCP", chosen)

    def _check_port(self, kind, obj, proto, number, key):
        pool = self.ports[proto]
        if not pool.low <= number <= pool.high:
            self._refuse(kind, obj, "ports[].nodePort", f"Invalid value: {number}: provided port"
                         f" is not in the valid range {pool.low}-{pool.high}")
        if pool.used.get(number, key) != key:
            self._refuse(kind, obj, "ports[].nodePort", f"Invalid value: {number}: provided port"
                         " is already allocated")

    def _free_port(self, proto, chosen):
        for _ in range(len(chosen) + 1):
            number = self.ports[proto].pick()
            if number is None:
                break
            if (proto, number) not in chosen:
                return number
        raise errors.StatusError(500, "Internal error occurred: no node port is free")
