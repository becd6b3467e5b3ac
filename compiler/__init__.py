"""The compiler: tensor expressions, passes, instruction streams, checker, operators."""
