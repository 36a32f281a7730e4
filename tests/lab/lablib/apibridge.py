# SPDX-License-Identifier: Apache-2.0
"""A lab's way to an API server that runs already (`./lab up --apiserver URL --kubeconfig FILE`).
It stands where the lab's own server would stand, so that nothing else has to know:

    agents --TLS--> 192.168.1.250:6443 in LAB-infra --bytes as they are----------> URL
    the lab --HTTP--> api.sock ------------------- TLS and FILE's credentials ---> URL

It is a program: python3 -m lablib.apibridge --dir DIR --unix SOCK --url URL --from FILE
--netns PATH --listen HOST:PORT...; it prints `ready`. Its sockets listen in LAB-infra, it connects
from the machine's own network namespace. The kubeconfig for the agents has the name by which the
server's certificate is checked.
"""

import argparse
import asyncio
import base64
import contextlib
import os
import signal
import socket
import ssl
import sys
from urllib.parse import urlsplit

import yaml

from lablib import ns
from lablib.errors import LabError

CHUNK = 1 << 16
LINE_MAX = 1 << 16


def _data(section, key, where):
    """Bytes of KEY-data, or of the file that KEY names, or None."""
    if section.get(f"{key}-data"):
        return base64.b64decode(section[f"{key}-data"])
    if section.get(key):
        with open(os.path.join(where, section[key]), "rb") as f:
            return f.read()
    return None


class Access:
    """What a kubeconfig's current context gives: CA, client certificate or token."""

    def __init__(self, path):
        try:
            with open(path, encoding="utf-8") as f:
                doc = yaml.safe_load(f)
            where = os.path.dirname(os.path.abspath(path))
            context = self._named(doc, "contexts", doc["current-context"])["context"]
            cluster = self._named(doc, "clusters", context["cluster"])["cluster"]
            user = self._named(doc, "users", context["user"])["user"]
            self.ca = _data(cluster, "certificate-authority", where)
            self.skip_verify = bool(cluster.get("insecure-skip-tls-verify"))
            self.server_name = cluster.get("tls-server-name")
            self.cert, self.key = (_data(user, f"client-{k}", where)
                                   for k in ("certificate", "key"))
            self.token = user.get("token") or (_data(user, "tokenFile", where) or b"").decode()
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as e:
            raise LabError(f"--kubeconfig {path}: {type(e).__name__}: {e}") from None
        if not (self.cert and self.key) and not self.token:
            raise LabError(f"--kubeconfig {path}: neither a client certificate nor a token")

    @staticmethod
    def _named(doc, what, name):
        return {x["name"]: x for x in doc[what]}[name]

    def write(self, path, url, server_name):
        def text(data):
            return base64.b64encode(data).decode()

        cluster = {"server": url, "tls-server-name": server_name}
        cluster |= {"insecure-skip-tls-verify": True} if self.skip_verify else {}
        cluster |= {"certificate-authority-data": text(self.ca)} if self.ca else {}
        user = {"token": self.token} if self.token else {}
        if self.cert and self.key:
            user |= {"client-certificate-data": text(self.cert), "client-key-data": text(self.key)}
        doc = {"apiVersion": "v1", "kind": "Config", "current-context": "lab",
               "clusters": [{"name": "lab", "cluster": cluster}],
               "users": [{"name": "lab", "user": user}],
               "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}]}
        with _private(path) as f:
            yaml.safe_dump(doc, f)

    def tls(self, state_dir):
        context = ssl.create_default_context(cadata=self.ca.decode() if self.ca else None)
        if self.skip_verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.cert and self.key:
            path = os.path.join(state_dir, "bridge.pem")
            with _private(path) as f:
                f.write(f"{self.cert.decode()}\n{self.key.decode()}\n")
            context.load_cert_chain(path)
        return context


def _private(path):
    fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    return os.fdopen(fd, "w", encoding="utf-8")


def where(url):
    """(host, port) of an https URL."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/"):
        raise LabError(f"--apiserver {url}: want builtin or https://HOST[:PORT]")
    return parts.hostname, parts.port or 443


async def _copy(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
            return
    writer.close()


class Bridge:
    def __init__(self, host, port, access, tls, server_name):
        self.host, self.port, self.access, self.tls = host, port, access, tls
        self.server_name = server_name

    async def agents(self, reader, writer):
        """Bytes as they are: TLS is between the agent and the server."""
        await self._join(reader, writer, b"")

    async def own(self, reader, writer):
        """One request of the lab's own client for each connection; here it gets its credentials."""
        try:
            head = await reader.readuntil(b"\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            writer.close()
            return
        if self.access.token:
            head += f"Authorization: Bearer {self.access.token}\r\n".encode()
        await self._join(reader, writer, head, ssl=self.tls, server_hostname=self.server_name)

    async def _join(self, reader, writer, head, **how):
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.port, **how)
        except (OSError, ssl.SSLError) as e:
            print(f"{self.host} port {self.port}: {e}", file=sys.stderr, flush=True)
            writer.close()
            return
        far_writer.write(head)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        for w in (writer, far_writer):
            w.close()


def _sockets(netns, listens):
    fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    out = []
    try:
        with ns.inside_net(fd):
            for text in listens:
                host, _, port = text.rpartition(":")
                host = host.strip("[]")
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                out.append(socket.create_server((host, int(port)), family=family))
    finally:
        os.close(fd)
    return out


async def _serve(args):
    host, port = where(args.url)
    access = Access(args.source)
    server_name = access.server_name or host
    bridge = Bridge(host, port, access, access.tls(args.dir), server_name)
    first = args.listen[0].rpartition(":")
    shown = f"[{first[0].strip('[]')}]" if ":" in first[0].strip("[]") else first[0].strip("[]")
    access.write(os.path.join(args.dir, "kubeconfig"), f"https://{shown}:{first[2]}", server_name)
    stop = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    for s in _sockets(args.netns, args.listen):
        await asyncio.start_server(bridge.agents, sock=s)
    await asyncio.start_unix_server(bridge.own, args.unix, limit=LINE_MAX)
    os.chmod(args.unix, 0o600)
    print("ready", flush=True)
    await stop.wait()


def main():
    p = argparse.ArgumentParser(prog="lablib.apibridge")
    for name in ("--dir", "--unix", "--url", "--netns"):
        p.add_argument(name, required=True)
    p.add_argument("--from", dest="source", required=True)
    p.add_argument("--listen", required=True, action="append")
    try:
        asyncio.run(_serve(p.parse_args()))
    except (LabError, OSError, ssl.SSLError) as e:
        print(f"lablib.apibridge: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
