"""The subcommands of `vta`: one module each, named as the command; `_common` is what they share.

A module has NAME, HELP (one line), `add_arguments(parser)` and `run(args)`, which returns the exit code. It may set
EPILOG (examples). Heavy and optional imports are inside `run`, so that `vta --help` is fast.
"""
