# SPDX-License-Identifier: Apache-2.0
"""Tables for people. Pure."""


def table(head, rows):
    rows = [[str(c) for c in r] for r in [head, *rows]]
    width = [max(len(r[i]) for r in rows) for i in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(r, width)).rstrip() for r in rows)


def _agent(facts):
    if facts["state"] == "exited":
        return f"exited {facts['status']}"
    return facts["state"] if facts["state"] == "none" else f"{facts['state']} {facts['pid']}"


def status(found):
    rows = [
        (
            n["name"],
            ",".join(n.get("ips") or [n["ip"]]),
            ",".join(n.get("podCIDRs") or [n["podCIDR"]]),
            n["netns"],
            _agent(n["agent"]) if n["alive"] else "NODE GONE",
            n.get("healthz") or "-",
            n.get("sessions", "-"),
            n.get("routes", "-"),
            len(n["pods"]),
        )
        for n in found["nodes"]
    ]
    head = ("NODE", "ADDRESS", "PODS IN", "NETNS", "AGENT", "HEALTHZ", "SESSIONS", "ROUTES", "PODS")
    out = [table(head, rows)]
    server = found["apiserver"]
    up = "answers" if server["alive"] else "DOES NOT ANSWER"
    out.append(f"API server {server['url']} {up}; without authentication: {server['socket']}")
    for p in found["peers"]:
        gone = "" if p["alive"] else " GONE"
        line = f"peer {p['name']} {p['kind']} {p['ip']} AS {p['asn']}{gone}"
        out.append(" ".join([line, *p["prefixes"]]))
    return "\n".join(out)


def _detail(obj):
    """The one thing about an object that people look for."""
    spec, stat = obj.get("spec") or {}, obj.get("status") or {}
    kind = obj.get("kind")
    if kind == "Node":
        addresses = [a["address"] for a in stat.get("addresses", []) if a["type"] != "Hostname"]
        return " ".join(addresses + (spec.get("podCIDRs") or []))
    if kind == "Pod":
        ips = [i["ip"] for i in stat.get("podIPs", [])]
        return " ".join([stat.get("phase", ""), spec.get("nodeName", ""), *ips])
    if kind == "Service":
        ports = [f"{p['port']}/{p.get('protocol', 'TCP')}" for p in spec.get("ports", [])]
        return " ".join([spec.get("type", ""), spec.get("clusterIP") or "", *ports])
    return ""


def objects(rows):
    if not rows:
        return "none"
    return table(
        ("NAMESPACE", "NAME", "KIND", "DETAIL"),
        [
            (
                o["metadata"].get("namespace", "-"),
                o["metadata"]["name"],
                o.get("kind", ""),
                _detail(o),
            )
            for o in rows
        ],
    )
