# SPDX-License-Identifier: Apache-2.0
"""PID 1 of the guest: finishes what the initramfs began, then runs commands for the machine.

Each call is a connection (see guest_wire). A child of ours, in which the lab's modules are loaded
already, becomes the command; so a verb of the lab costs two forks and no start of Python:

    PID 1 -- fork --> pump: socket <-> pipes -- fork --> cli.main(argv), or exec of a program

If this process ends, the kernel panics and qemu with it, which `./lab down` takes as done.
"""

import errno
import hmac
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lablib import guest_wire as wire, ns  # noqa: E402

CALLS_MAX = 128
GREETING_S = 10
HOME_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


def _say(text):
    with open("/dev/console", "w", encoding="utf-8") as f:
        f.write(f"lab: {text}\n")


def _parameter(name):
    with open("/proc/cmdline", encoding="utf-8") as f:
        for word in f.read().split():
            key, _, value = word.partition("=")
            if key == name:
                return value
    return None


def _mounts(told):
    for source, at, kind, data in (
        ("devpts", "/dev/pts", "devpts", "mode=620,ptmxmode=666"),
        ("shm", "/dev/shm", "tmpfs", "mode=1777"),
        ("cgroup", "/sys/fs/cgroup", "cgroup2", None),
    ):
        os.makedirs(at, exist_ok=True)
        ns.mount(source, at, kind, 0, data)
    for path, kind in (("/dev/fd", "/proc/self/fd"), ("/dev/stdin", "/proc/self/fd/0"),
                       ("/dev/stdout", "/proc/self/fd/1"), ("/dev/stderr", "/proc/self/fd/2")):
        if not os.path.lexists(path):
            os.symlink(kind, path)
    os.makedirs("/run/lock", exist_ok=True)
    os.makedirs(ns.NETNS_DIR, exist_ok=True)
    release = os.uname().release
    if not os.path.exists(f"/lib/modules/{release}"):
        os.makedirs("/lib/modules", exist_ok=True)
        os.symlink(told["modules"], f"/lib/modules/{release}")


def _modules(names):
    """The ones that the kernel does not ask for by itself when they are needed. Returns the
    process that loads them."""
    return subprocess.Popen(["modprobe", "-a", "virtio_net", *names], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _load_lab():
    """So that no call has to. Not at the top: the modules of the kernel are loaded meanwhile."""
    from lablib import cli  # pylint: disable=import-outside-toplevel,unused-import

    return cli


def _network():
    lines = ["link set lo up", f"addr add {wire.ADDRESS}/24 dev eth0", "link set eth0 up"]
    ns.must(["ip", "-batch", "-"], "\n".join(lines), "the guest's network")


def _is_old(path, size, mtime_ns):
    """Is what we see of this file not what the machine sees?"""
    try:
        st = os.stat(path)
    except OSError:
        return True
    return (st.st_size, st.st_mtime_ns) != (size, mtime_ns)


def _forget_files():
    """The 9p mount believes what it has once seen. 4: no line in the kernel's log; 2: forget names
    and what hangs on them, if unused."""
    for what in "42":
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write(what)


def _become(request, fds):
    """In a child: be the command. Never returns."""
    status = 1
    try:
        os.setsid()
        for target, fd in enumerate(fds):
            os.dup2(fd, target)
        os.closerange(3, 4096)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(HOME_ENV)
        os.environ.update(request.get("env") or {})
        cwd = request.get("cwd", "/")
        os.chdir(cwd if os.path.isdir(cwd) else "/")
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            fd = ("stdin", "stdout", "stderr").index(name)
            setattr(sys, name, os.fdopen(fd, mode, encoding="utf-8", errors="surrogateescape",
                                         buffering=1))
        status = _command(request)
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else int(e.code is not None)
    except BaseException:  # pylint: disable=broad-except
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            pass
        os._exit(status)


def _command(request):
    argv = request["argv"]
    if request["kind"] == "lab":
        sys.argv = ["lab", *argv]
        return _load_lab().main(argv, request["root"])
    try:
        os.execvp(argv[0], argv)
    except OSError as e:
        print(f"{argv[0]}: {e.strerror}", file=sys.stderr)
        return 127 if e.errno == errno.ENOENT else 126


class Pump:
    """One call: joins the socket to the command's pipes until the command has ended."""

    def __init__(self, sock, pid, stdin, outputs):
        self.sock, self.pid, self.stdin = sock, pid, stdin
        self.outputs = outputs  # {descriptor: frame type}
        self.input, self.input_ends = b"", False
        os.set_blocking(stdin, False)
        self.poll = select.poll()
        self.ended = os.pidfd_open(pid)
        for fd in (sock.fileno(), self.ended, *outputs):
            self.poll.register(fd, select.POLLIN)

    def run(self):
        try:
            while not self._step():
                pass
            for fd in list(self.outputs):  # what it wrote last; a daemon may hold on to the pipe
                os.set_blocking(fd, False)
                while fd in self.outputs and self._output(fd):
                    pass
            _, status = os.waitpid(self.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            wire.send(self.sock, wire.EXIT, str(code if code >= 0 else 128 - code).encode())
        except (wire.Closed, ConnectionError):
            self._kill(signal.SIGKILL)  # the caller is gone: so is the reason for the call

    def _step(self):
        for fd, events in self.poll.poll():
            if fd == self.ended:
                return True
            if fd == self.sock.fileno():
                if not events & select.POLLIN:
                    raise wire.Closed("the caller is gone")
                self._order(*wire.read(self.sock))
            elif fd == self.stdin:
                self._feed()
            elif fd in self.outputs:
                self._output(fd)
        return False

    def _output(self, fd):
        try:
            data = os.read(fd, wire.FRAME_MAX)
        except BlockingIOError:
            return False
        if not data:
            self.poll.unregister(fd)
            del self.outputs[fd]
            return False
        wire.send(self.sock, self.outputs[fd], data)
        return True

    def _order(self, kind, data):
        if kind == wire.SIGNAL:
            self._kill(int(data))
        elif kind == wire.STDIN and self.stdin is not None:
            self.input, self.input_ends = data, not data
            self.poll.register(self.stdin, select.POLLOUT)
            self.poll.modify(self.sock, select.POLLRDHUP)  # no more until this is taken

    def _feed(self):
        try:
            self.input = self.input[os.write(self.stdin, self.input):]
        except BrokenPipeError:
            self.input, self.input_ends = b"", True
        if self.input:
            return
        self.poll.unregister(self.stdin)
        self.poll.modify(self.sock, select.POLLIN)
        if self.input_ends:
            os.close(self.stdin)
            self.stdin = None

    def _kill(self, number):
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass


def _serve(sock, token):
    """In a child of PID 1."""
    sock.settimeout(GREETING_S)
    request = wire.read_request(sock)
    if not hmac.compare_digest(str(request.get("token", "")), token):
        return
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.send(sock, wire.HELLO)
    if any(_is_old(*row) for row in request.get("files", ())):
        _forget_files()
    pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
    theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
    pid = os.fork()
    if pid == 0:
        _become(request, theirs)
    for fd in theirs:
        os.close(fd)
    outputs = {pipes[1][0]: wire.STDOUT, pipes[2][0]: wire.STDERR}
    Pump(sock, pid, pipes[0][1], outputs).run()


def _reap(calls):
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        calls.discard(pid)


def _accept_forever(token):
    listener = socket.create_server((wire.ADDRESS, wire.PORT), backlog=CALLS_MAX)
    wake, woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(wake, select.POLLIN)
    calls = set()
    _say("ready")
    while True:
        for fd, _ in poll.poll():
            if fd == wake:
                os.read(wake, 4096)
                _reap(calls)
                continue
            try:
                sock, _ = listener.accept()
            except OSError:  # it went away again
                continue
            if len(calls) >= CALLS_MAX:
                sock.close()
                continue
            pid = os.fork()
            if pid == 0:
                _call(sock, listener, token)
            calls.add(pid)
            sock.close()


def _call(sock, listener, token):
    """Never returns."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        listener.close()
        _serve(sock, token)
    except (wire.Closed, ConnectionError, TimeoutError):
        pass
    except BaseException as e:  # pylint: disable=broad-except
        _say(f"a call: {e!r}")
    finally:
        os._exit(0)


def main():
    HOME_ENV["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix or ""
    os.environ.clear()
    os.environ.update(HOME_ENV)
    socket.sethostname("lab-guest")
    state = _parameter("lab.state")
    with open(f"/run/machine{state}/guest.json", encoding="utf-8") as f:
        told = json.load(f)
    with open("/run/lab-guest.json", "w", encoding="utf-8") as f:
        json.dump({"name": told["name"], "state": state}, f)
    _mounts(told)
    loading = _modules(told["preload"])
    _load_lab()  # takes about as long
    for line in loading.communicate()[1].splitlines():
        _say(line)
    _network()
    _accept_forever(told["token"])


if __name__ == "__main__":
    try:
        main()
    except BaseException as e:  # pylint: disable=broad-except
        _say(f"cannot start: {e!r}")
        time.sleep(0.2)
        raise
