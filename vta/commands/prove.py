"""Prove properties of the RTL with Yosys and z3; docs/proofs.md has their statements and bounds.

--bugs plants each bug of a proof's list in turn: it must be found.
"""

NAME = "prove"
HELP = "prove properties of the RTL"
EPILOG = """examples:
  vta prove                       all of them
  vta prove --quick --bugs        those of `make test`, and that each can fail
  vta prove write_master nest
"""


def add_arguments(parser):
    parser.add_argument("names", nargs="*", metavar="NAME", help="proofs (default: all)")
    parser.add_argument("--quick", action="store_true", help="only those that take seconds")
    parser.add_argument("--bugs", action="store_true", help="also plant each bug and find it")
    parser.add_argument("--list", action="store_true", help="list the proofs")


def run(args):
    from vta.sim.formal.catalogue import PROOFS
    known = {proof.name: proof for proof in PROOFS}
    for name in args.names:
        if name not in known:
            raise ValueError(f"no proof {name!r}; known: {', '.join(known)}")
    chosen = [known[name] for name in args.names] or list(PROOFS)
    failures = 0
    for proof in chosen:
        if args.quick and not proof.quick:
            continue
        if args.list:
            print(f"{proof.name:18} {proof.states}")
            continue
        verdict = proof.run()
        failures += not verdict.holds
        word = "proven" if verdict.holds else f"BROKEN at {verdict.broken}"
        print(f"{proof.name:18} {word:10} {proof.reach:22} {verdict.seconds:6.1f} s  {proof.states}", flush=True)
        for bug in proof.bugs if args.bugs else ():
            verdict = proof.run_with(bug)
            failures += verdict.holds
            word = "NOT FOUND" if verdict.holds else f"found at {verdict.broken}"
            print(f"    {bug.name}: {word}, {verdict.seconds:.1f} s", flush=True)
    return 1 if failures else 0
