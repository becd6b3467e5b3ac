"""The subcommands of `vta`: one module each, named as the command.

A module has NAME, HELP (one line), `add_arguments(parser)` and `run(args)`, which returns the exit code. It
may set EPILOG (examples). It imports what is heavy or optional inside `run`.
"""
