# SPDX-License-Identifier: Apache-2.0
"""A container runtime's half of CNI: run the plugins of a conflist in a node, as the CNI
specification says, with the distribution's own plugin programs. Addresses come from them."""

import json

from lablib import need, ns
from lablib.errors import LabError

IFNAME = "eth0"
PLUGIN_S = 30


def _plugin(node, conf, plugin, command, container, netns, previous):
    stdin = dict(plugin, cniVersion=conf["cniVersion"], name=conf["name"])
    if previous is not None:
        stdin["prevResult"] = previous
    path = need.cni_path()
    env = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": container,
        "CNI_NETNS": netns,
        "CNI_IFNAME": IFNAME,
        "CNI_PATH": path,
    }
    r = ns.run(
        node.pid, [f"{path}/{plugin['type']}"], json.dumps(stdin), PLUGIN_S, env=env
    )
    if r.returncode != 0:
        raise LabError(f"{node.name}: CNI {command} {plugin['type']}: {_reason(r)}")
    return json.loads(r.stdout) if command == "ADD" and r.stdout.strip() else previous


def _reason(r):
    """A failing plugin prints an error object on stdout."""
    try:
        said = json.loads(r.stdout)
        return f"{said.get('msg', '')} {said.get('details', '')}".strip()
    except ValueError:
        return (r.stderr or r.stdout).strip() or f"exit status {r.returncode}"


def add(node, conf, container, netns):
    """Each plugin sees the result of the one before; the last result is the pod's."""
    result = None
    for plugin in conf["plugins"]:
        result = _plugin(node, conf, plugin, "ADD", container, netns, result)
    return result


def delete(node, conf, container, netns, result):
    """Backwards. Versions before 0.4.0 do not hand the result of ADD to DEL."""
    modern = tuple(int(x) for x in conf["cniVersion"].split(".")) >= (0, 4, 0)
    for plugin in reversed(conf["plugins"]):
        _plugin(node, conf, plugin, "DEL", container, netns, result if modern else None)


def addresses(result):
    return [ip["address"].split("/")[0] for ip in result.get("ips", [])]
