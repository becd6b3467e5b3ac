"""Pass 9, virtual threads: the thread loop goes inward, to the module scopes and the tokens.

In:  module scopes and tokens of one thread, somewhere inside a loop of kind "vthread".
Out: that loop is gone; each module scope stands in a thread loop of its own, each token outside of module
     scopes comes once for each thread. So every module sees the threads in the same order at each scope
     (load 0, load 1, compute 0, compute 1), which tokens without identity need. Without threads nothing
     changes.
"""

from vta.compiler.te.ir import For, Scope, Token, children, rebuild, seq


def run(program):
    thread = program.meta["thread"]
    if thread is None:
        return program

    def visit(node):
        if isinstance(node, Token):
            return seq(*[node] * thread.extent)
        if isinstance(node, Scope) and node.kind == "module":
            return For(thread, thread.extent, node, "vthread")
        if isinstance(node, For) and node.kind == "vthread":
            return visit(node.body)
        return rebuild(node, visit) if children(node) else node
    return program.with_body(visit(program.body))
