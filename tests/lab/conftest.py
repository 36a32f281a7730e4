# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the lab tests. Each test gets labs of its own, named after this process, and none
is left behind; of a failed test the logs and the kernel's state are kept, and the path printed."""

import itertools
import os
import re
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lablib import evidence, lab as labs, need, state, testlab  # noqa: E402
from lablib.errors import LabError  # noqa: E402

_number = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption(
        "--agent",
        default=os.environ.get("KUBE_ROUTER", os.path.join(ROOT, "build", "kube-router")),
        help="the agent under test (default: $KUBE_ROUTER or build/kube-router)",
    )
    parser.addoption("--keep-lab", action="store_true", help="leave the labs of failed tests up")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if not report.failed or report.when not in ("setup", "call"):
        return
    for holder in item.listchain():  # the test itself, its module
        if getattr(holder, "guest_lab", None) and "name" in item.fixturenames:
            where = os.path.join(_kept_dir(item), holder.guest_lab)
            evidence.collect_from_guest(holder.guest_lab, where)
            report.sections.append(("lab", f"kept in {where}"))
        if holder is not item and "module_lab_factory" not in item.fixturenames:
            continue  # the module's labs have no part in it
        for lab in getattr(holder, "labs", []):
            holder.lab_failed = True
            report.sections.append(("lab", f"kept in {_keep(item, lab)}"))


def _kept_dir(item):
    build = os.path.join(ROOT, "build")  # made by meson only
    top = os.environ.get("LAB_FAILED") or os.path.join(
        build if os.path.isdir(build) else tempfile.gettempdir(), "lab-failed"
    )
    name = re.sub(r"[^\w.-]+", "_", item.nodeid)
    return os.path.join(top, f"{name}-{os.getpid()}")


def _keep(item, lab):
    try:
        lab = state.Lab.load(lab.name)  # `up` may have failed half-way: what it wrote down counts
    except LabError:
        pass
    return evidence.collect(lab, os.path.join(_kept_dir(item), lab.name))


@pytest.fixture(scope="session")
def agent_path(request):
    path = request.config.getoption("--agent")
    if not os.access(path, os.X_OK):
        pytest.skip(f"no agent at {path}: build it, or name one with --agent")
    return os.path.abspath(path)


@pytest.fixture(scope="session")
def lab_root():
    """The tests need root and the lab's programs; without them they are skipped by name."""
    try:
        need.root()
        need.programs()
        need.cni_path()
        need.features(*labs.KERNEL)
    except LabError as e:
        pytest.skip(str(e))


@pytest.fixture
def need_kernel():
    """need_kernel("ipip", ...) skips the test, with the reason, on a kernel without it."""

    def check(*names):
        for name in names:
            why = need.missing_feature(name)
            if why:
                pytest.skip(why)

    return check


def _factory(request):
    holder, made = request.node, []
    holder.labs = made

    def make(nodes=3, subnets=1, agent_args=(), agent="under test", wait="all", **more):
        path = request.getfixturevalue("agent_path") if agent == "under test" else agent
        name = f"t{os.getpid()}x{next(_number)}"
        made.append(_named(name))
        made[-1] = labs.up(name, nodes, subnets, path, agent_args, wait, **more)
        return testlab.TestLab(made[-1])

    yield make
    keep = getattr(holder, "lab_failed", False) and request.config.getoption("--keep-lab")
    for lab in [] if keep else made:
        labs.down(lab.name)


def _named(name):
    """Stands for a lab that is not up yet: if `up` fails, down() and evidence need it."""
    lab = state.Lab(name)
    lab.facts = {"nodes": [], "peers": {}}
    return lab


@pytest.fixture
def lab_factory(request, lab_root):
    """lab_factory(nodes=3, subnets=1, agent_args=[...], families="46") makes one more lab.
    agent=None: nodes without agents; agent=PATH: another than the one under test."""
    yield from _factory(request)


@pytest.fixture(scope="module")
def module_lab_factory(request, lab_root):
    """The same for labs that all tests of a module share."""
    yield from _factory(request)


@pytest.fixture
def lab(lab_factory):
    """Three nodes in one subnet, the agent under test, sessions and routes in place."""
    return lab_factory()


@pytest.fixture
def eventually():
    return testlab.eventually
