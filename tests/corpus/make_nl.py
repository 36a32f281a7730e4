#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of nl-msg and nl-kernel: answers of the running kernel.

Run as root in a network namespace of its own (`unshare -n tests/corpus/make_nl.py`); needs ip and ipset.
"""
import pathlib
import socket
import struct
import subprocess

HERE = pathlib.Path(__file__).parent
SOL_NETLINK, EXT_ACK, STRICT = 270, 11, 12
SETUP = """
ip link set lo up
ip link add kube-bridge type bridge
ip link set kube-bridge up mtu 1480
ip addr add 192.0.2.1/24 dev kube-bridge
ip addr add 198.51.100.1 peer 198.51.100.9 dev kube-bridge
ip -6 addr add 2001:db8::1/64 dev kube-bridge nodad
ip route add 10.1.2.0/24 via 192.0.2.7 proto 17
ip route add 10.1.3.0/24 proto 17 nexthop via 192.0.2.7 nexthop via 192.0.2.8
ip -6 route add 2001:db8:1::/64 via 2001:db8::7 proto 17
ipset create kr-a hash:ip timeout 0
ipset add kr-a 192.0.2.1
ipset create inet6:kr-b hash:net family inet6 timeout 0
ipset add inet6:kr-b 2001:db8:1::/64
ipset create kr-c hash:net
ipset add kr-c 10.0.0.0/8
ipset add kr-c 10.1.0.0/16 nomatch
"""
DUMP = 0x305
IPSET_HEAD = bytes.fromhex("02000000" "0500010007000000")


def ask(protocol, kind, flags, body):
    """Everything that the kernel answers to one request."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as s:
        s.setsockopt(SOL_NETLINK, EXT_ACK, 1)
        s.setsockopt(SOL_NETLINK, STRICT, 1)
        s.settimeout(2)
        s.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        out = b""
        while True:
            data = s.recv(65536)
            out += data
            at = 0
            while at < len(data):
                length, got = struct.unpack_from("=IH", data, at)
                if got in (2, 3):  # NLMSG_ERROR, NLMSG_DONE
                    return out
                at += (length + 3) & ~3


def main():
    for line in SETUP.strip().splitlines():
        subprocess.run(line.split(), check=True)
    seeds = {
        "routes-4": ask(0, 26, DUMP, bytes([2, 0, 0, 0, 254, 0, 0, 0]) + bytes(4)),
        "routes-6": ask(0, 26, DUMP, bytes([10, 0, 0, 0, 254, 0, 0, 0]) + bytes(4)),
        "links": ask(0, 18, DUMP, bytes(16) + bytes.fromhex("08001d0008000000")),
        "addrs": ask(0, 22, DUMP, bytes(8)),
        "ipset-list": ask(12, 0x607, DUMP, IPSET_HEAD),
        "ipset-protocol": ask(12, 0x601, 5, IPSET_HEAD),
        "ipset-type": ask(12, 0x60D, 5, IPSET_HEAD + bytes.fromhex("0d000300") + b"hash:net\0\0\0\0"
                          + bytes.fromhex("0500050002000000")),
        "refused": ask(0, 24, 0x605, bytes([2, 24, 0, 0, 254, 17, 0, 1]) + bytes(4)
                       + bytes.fromhex("08000100" "0a090900" "08000500" "cb007101")),
    }
    for name, data in seeds.items():
        for target in ("nl-msg", "nl-kernel"):
            folder = HERE / target
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
