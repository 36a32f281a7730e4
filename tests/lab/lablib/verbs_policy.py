# SPDX-License-Identifier: Apache-2.0
"""./lab policy-test: case files of network policies, tried with real packets."""

from lablib import policytest, state


def _policy_test(args):
    cases = policytest.read(args.path)
    target = state.Lab.load(args.name)
    failed = 0
    with target.lifecycle(alone=False):
        for case in cases:
            wrong = policytest.run(target, case, args.family, args.within)
            failed += bool(wrong)
            print(f"{'FAIL' if wrong else 'ok'} {case.source}: {case.name}"
                  f" ({len(case.wanted)} questions)", flush=True)
            for question, want, got in wrong:
                print(f"    {question}: want {want}, got {got}", flush=True)
    print(f"{len(cases) - failed} of {len(cases)} cases as expected")
    return 1 if failed else 0


def _policy_test_args(p):
    p.add_argument("path", metavar="DIR|FILE", help="case files: *.yaml")
    p.add_argument("-4", dest="family", action="store_const", const=4)
    p.add_argument("-6", dest="family", action="store_const", const=6)
    p.add_argument("--within", type=float, default=policytest.WITHIN_S, metavar="S",
                   help=f"for the agents to enforce (default {policytest.WITHIN_S})")


VERBS = {
    "policy-test": (_policy_test, _policy_test_args, None, "network policy cases, real packets"),
}
