"""The passes from a schedule to a stream, one a file, its contract at the top; `compiler/passes/lowering.py` has
their order."""
