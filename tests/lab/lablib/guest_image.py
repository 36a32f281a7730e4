# SPDX-License-Identifier: Apache-2.0
"""What the guest boots from: a kernel package of the distribution, unpacked but not installed, and
an initramfs made of busybox and the few modules that reach the machine's own root directory.

    CACHE/kernels/PACKAGE_VERSION/boot, lib     unpacked once, with modules.dep
                  NAME.is                       link: what a name stood for when it was first asked
    CACHE/pyc                                   the lab's modules, compiled

Everything that runs in the guest afterwards is the machine's own, seen read-only over 9p.
"""

import contextlib
import glob
import lzma
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from lablib import state
from lablib.errors import LabError

CACHE = "/var/cache/kube-router-lab"
PACKAGE = "linux-image-amd64"
BUSYBOX = ("/bin/busybox", "/usr/bin/busybox")
COMMAND_S = 300
MODULE_ENDS = (".ko", ".ko.xz", ".ko.zst")

# What the root directory needs; what these depend on comes along, in the right order
ROOT_MODULES = ("virtio_pci", "9p", "9pnet_virtio", "overlay")

INIT = """#!/bin/busybox sh
# PID 1 until the machine's root directory is there
b=/bin/busybox
die() { echo "lab: cannot boot: $*"; $b poweroff -f; }
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
case $($b cat /proc/cmdline) in *lab.probe*) echo lab.probe; $b poweroff -f ;; esac
while read -r m; do $b insmod "/modules/$m" || die "insmod $m"; done </modules/order
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro machine /machine ||
	die "mount the machine's root directory"
$b mount -t tmpfs -o mode=755 rw /rw || die "mount tmpfs"
$b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/machine,upperdir=/rw/upper,workdir=/rw/work root /root ||
	die "mount the overlay"
$b mount -t tmpfs -o mode=755 run /root/run
$b mkdir /root/run/machine
$b mount --move /machine /root/run/machine
for d in proc sys dev; do $b mount --move "/$d" "/root/$d"; done
for word in $($b cat /root/proc/cmdline); do
	case $word in lab.agent=*) agent=${word#lab.agent=} ;; esac
done
exec $b switch_root /root /usr/bin/python3 -B -X pycache_prefix=@PYC@ "$agent"
""".replace("@PYC@", f"{CACHE}/pyc")


@dataclass(frozen=True)
class Kernel:
    release: str  # what uname -r will say
    image: str
    modules: str  # the directory that is /lib/modules/RELEASE


def _run(argv, cwd=None):
    try:
        r = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False,
                           timeout=COMMAND_S, env=dict(os.environ, LC_ALL="C"))
    except FileNotFoundError:
        raise LabError(f"guest kernel: no program {argv[0]} (the guest needs Debian or Ubuntu)"
                       ) from None
    if r.returncode != 0:
        why = (r.stderr or r.stdout).strip().splitlines()
        raise LabError(f"guest kernel: {' '.join(argv)}: {why[-1] if why else r.returncode}")
    return r.stdout


def _fields(text):
    """The first paragraph of control data."""
    lines = text.split("\n\n")[0].splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line and line[0] != " ")


def _real_package(name):
    """(package that holds a kernel, its version): linux-image-amd64 only names another one."""
    if not re.fullmatch(r"[a-z0-9][-a-z0-9.+]+", name):
        raise LabError(f"--kernel-package {name!r}: no package name and no .deb file")
    for _ in range(3):
        facts = _fields(_run(["apt-cache", "show", "--no-all-versions", name]))
        inner = re.search(r"\blinux-image-[-a-z0-9.+]+", facts.get("Depends", ""))
        if inner is None:
            return name, facts["Version"]
        name = inner.group()
    raise LabError(f"guest kernel: package {name} names only other packages")


def _dir_of(name, version):
    return os.path.join(CACHE, "kernels", f"{name}_{version}".replace(":", "%3a"))


def _unpack(deb, where):
    """All or nothing: the directory appears when it is complete."""
    part = tempfile.mkdtemp(prefix=".new-", dir=os.path.dirname(where))
    try:
        os.chmod(part, 0o755)
        _run(["dpkg-deb", "-x", deb, part])
        for modules in _module_dirs(part):
            _depmod(modules)
        os.replace(part, where)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _depmod(modules):
    """modules: TOP/lib/modules/RELEASE; newer packages have usr/ before that."""
    rest, release = os.path.split(modules)
    _run(["depmod", "-b", os.path.dirname(os.path.dirname(rest)), release])


def _module_dirs(top):
    return glob.glob(f"{top}/lib/modules/*") + glob.glob(f"{top}/usr/lib/modules/*")


def _download(name, where):
    with tempfile.TemporaryDirectory(prefix=".get-", dir=os.path.dirname(where)) as tmp:
        _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name], tmp)
        debs = glob.glob(f"{tmp}/*.deb")
        if len(debs) != 1:
            raise LabError(f"guest kernel: apt-get download {name} brought {len(debs)} files")
        _unpack(debs[0], where)


def _look(where):
    images = glob.glob(f"{where}/boot/vmlinuz-*") + glob.glob(f"{where}/usr/lib/modules/*/vmlinuz")
    dirs = _module_dirs(where)
    if not images or not dirs:
        raise LabError(f"guest kernel: no kernel image with modules in {where}")
    return Kernel(os.path.basename(dirs[0]), images[0], dirs[0])


def kernel(package=None):
    """The kernel of a package name or of a .deb file; downloaded and unpacked when first asked,
    then the same until somebody empties the cache."""
    package = package or PACKAGE
    os.makedirs(os.path.join(CACHE, "kernels"), exist_ok=True)
    with state.file_lock(os.path.join(CACHE, "lock")):
        if package.endswith(".deb"):
            if not os.path.isfile(package):
                raise LabError(f"--kernel-package {package}: no such file")
            facts = _fields(_run(["dpkg-deb", "-f", package]))
            where = _dir_of(facts["Package"], facts["Version"])
            if not os.path.isdir(where):
                _unpack(os.path.abspath(package), where)
            return _look(where)
        known = os.path.join(CACHE, "kernels", f"{package}.is")  # a link to what it was found to be
        if not os.path.isdir(known):
            name, version = _real_package(package)
            where = _dir_of(name, version)
            if not os.path.isdir(where):
                _download(name, where)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(known)
            os.symlink(os.path.basename(where), known)
        return _look(os.path.realpath(known))


def compile_python(top):
    """The guest would take seconds to compile what it imports. Returns the process that does it."""
    code = ("import sys; sys.path.insert(0, sys.argv[1])\n"
            "from lablib import guest_agent, cli")
    argv = [sys.executable, "-E", "-X", f"pycache_prefix={CACHE}/pyc", "-c", code, top]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# --- the initramfs --------------------------------------------------------------------------


def busybox():
    """A static one: the initramfs has no libraries."""
    for path in BUSYBOX:
        if os.path.exists(path):
            with open(path, "rb") as f:
                data = f.read()
            if not _wants_interpreter(data):
                return data
    raise LabError("guest kernel: no static busybox (package busybox-static)")


def _wants_interpreter(data):
    """ELF64: a program header of type PT_INTERP, 3, names a dynamic loader."""
    (offset,) = struct.unpack_from("<Q", data, 32)
    size, n = struct.unpack_from("<HH", data, 54)
    return any(struct.unpack_from("<I", data, offset + i * size)[0] == 3 for i in range(n))


def _dependencies(modules):
    """{name: (path, [names that must be there before])}, from modules.dep"""
    out = {}
    with open(os.path.join(modules, "modules.dep"), encoding="ascii") as f:
        for line in f:
            path, _, rest = line.partition(":")
            out[_name(path)] = (path, [_name(p) for p in rest.split()])
    return out


def _name(path):
    return os.path.basename(path).split(".ko")[0].replace("-", "_")


def _order(modules):
    """Files of ROOT_MODULES and all below them, each after what it needs. Those that the kernel
    has built in are in no modules.dep."""
    known, out = _dependencies(modules), []

    def visit(name):
        if name not in known or known[name][0] in out:
            return
        for below in known[name][1]:
            visit(below)
        out.append(known[name][0])

    for name in ROOT_MODULES:
        visit(name.replace("-", "_"))
    return out


def _module(path):
    """A module as busybox can load it: not compressed."""
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
    with open(path, "rb") as f:
        data = f.read()
    return lzma.decompress(data) if path.endswith(".xz") else data


def _cpio(name, mode, data, number):
    """One file in the "newc" format of the kernel's buffer-format document."""
    raw = name.encode() + b"\0"
    head = "070701" + "".join(
        f"{x:08X}" for x in (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
    )
    out = head.encode() + raw
    out += b"\0" * (-len(out) % 4)
    return out + data + b"\0" * (-len(data) % 4)


def write_initramfs(k, path):
    rows = [(d, stat.S_IFDIR | 0o755, b"")
            for d in ("bin", "proc", "sys", "dev", "machine", "rw", "root", "modules")]
    rows += [("bin/busybox", stat.S_IFREG | 0o755, busybox()),
             ("init", stat.S_IFREG | 0o755, INIT.encode())]
    names = []
    for part in _order(k.modules):
        names.append(f"{len(names):02}-{_name(part)}.ko")
        rows.append((f"modules/{names[-1]}", stat.S_IFREG | 0o644,
                     _module(os.path.join(k.modules, part))))
    rows.append(("modules/order", stat.S_IFREG | 0o644, "".join(f"{n}\n" for n in names).encode()))
    with open(path, "wb") as f:
        for number, (name, mode, data) in enumerate(rows, 1):
            f.write(_cpio(name, mode, data, number))
        f.write(_cpio("TRAILER!!!", 0, b"", 0))
