# SPDX-License-Identifier: Apache-2.0
"""./lab policy-test: case files of network policies, tried with real packets."""

from lablib import backend, policytest, state


def _policy_test(args):
    cases = policytest.read(args.path)
    target = state.Lab.load(args.name)
    failed = 0
    with target.lifecycle(alone=False):
        if not args.backend:
            failed += _run_all(target, cases, args, "")
        else:
            before = backend.args_now(target)
            try:
                for name in args.backend:
                    backend.use(target, name)
                    failed += _run_all(target, cases, args, f"{name}: ")
            finally:
                backend.put_back(target, before)
    asked = len(cases) * max(1, len(args.backend))
    print(f"{asked - failed} of {asked} cases as expected")
    return 1 if failed else 0


def _run_all(target, cases, args, label):
    failed = 0
    for case in cases:
        wrong = policytest.run(target, case, args.family, args.within)
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok'} {label}{case.source}: {case.name}"
              f" ({len(case.wanted)} questions)", flush=True)
        for question, want, got in wrong:
            print(f"    {question}: want {want}, got {got}", flush=True)
    return failed


def _policy_test_args(p):
    p.add_argument("path", metavar="DIR|FILE", help="case files: *.yaml")
    p.add_argument("-4", dest="family", action="store_const", const=4)
    p.add_argument("-6", dest="family", action="store_const", const=6)
    p.add_argument("--backend", action="append", default=[], choices=backend.NAMES,
                   help="restart the agents with this one first; several: one after the other")
    p.add_argument("--within", type=float, default=policytest.WITHIN_S, metavar="S",
                   help=f"for the agents to enforce (default {policytest.WITHIN_S})")


VERBS = {
    "policy-test": (_policy_test, _policy_test_args, None, "network policy cases, real packets"),
}
