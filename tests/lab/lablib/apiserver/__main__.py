# SPDX-License-Identifier: Apache-2.0
"""Run the lab's API server: parse the command line, make the files, serve until SIGTERM."""

import argparse
import asyncio
import fcntl
import ipaddress
import os
import signal
import sys
from pathlib import Path

from . import pki
from .api import Api
from .server import Server
from .store import WINDOW

BOOKMARK_S = 5.0


def _address(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535 or not host:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _window(text):
    if not text.isdigit() or not 1 <= int(text) <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of events from 1 to 10000000")
    return int(text)


def _seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0.01 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time from 0.01 to 3600 seconds")
    return value


def _range(text):
    try:
        return ipaddress.ip_network(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def parse_args(argv):
    p = argparse.ArgumentParser(prog="lablib.apiserver", description=__doc__)
    p.add_argument("--dir", required=True, type=Path, help="state directory")
    p.add_argument("--listen", required=True, action="append", type=_address, metavar="HOST:PORT")
    p.add_argument("--advertise", action="append", type=_address, metavar="HOST:PORT",
                   help="what the API's own service leads to; default: the addresses listened at")
    p.add_argument("--unix", required=True, type=Path, help="path of the socket for the lab itself")
    p.add_argument("--san", action="append", default=[], metavar="NAME_OR_IP",
                   help="further names in the server certificate")
    p.add_argument("--service-range", action="append", default=[], type=_range, metavar="CIDR",
                   help="cluster IPs; one for each family, the primary one first")
    p.add_argument("--pod-range", action="append", default=[], type=_range, metavar="CIDR",
                   help="node CIDRs (/24 or /64) for nodes that come without")
    p.add_argument("--window", type=_window, default=WINDOW, help="events kept per kind")
    p.add_argument("--bookmark-s", type=_seconds, default=BOOKMARK_S)
    p.add_argument("--verbose", action="store_true", help="one line per request on stderr")
    return p.parse_args(argv)


async def serve(args, token):
    api = Api(token, args.window, args.bookmark_s, args.verbose, args.service_range,
              args.pod_range)
    api.populate()
    server = Server(api, pki.server_context(args.dir), list(args.listen), args.unix)
    stop = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    await server.start()
    api.publish(args.advertise or server.listen)
    host, port = server.listen[0]
    pki.write_kubeconfig(args.dir, f"https://{f'[{host}]' if ':' in host else host}:{port}")
    print("ready", flush=True)
    await stop.wait()
    await server.stop()


def take_pid_file(path):
    """Own the state directory, or fail: a second server would take the first one's socket."""
    file = open(path, "a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(f"another server runs in {path.parent}") from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def main():
    args = parse_args(sys.argv[1:])
    try:
        names = ["localhost", "kubernetes", "kubernetes.default.svc", "127.0.0.1",
                 *(h for h, _ in args.listen), *args.san]
        args.dir.mkdir(parents=True, exist_ok=True)
        pid_file = args.dir / "api.pid"
        with take_pid_file(pid_file):
            token = pki.prepare(args.dir, names)
            asyncio.run(serve(args, token))
            pid_file.unlink(missing_ok=True)
    except (pki.PkiError, OSError) as e:
        print(f"lablib.apiserver: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
