"""The passes from a schedule to a stream, one a file, its contract at the top; `compiler/lowering.py` has
their order."""
