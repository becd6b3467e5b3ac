"""Threads: the loop over virtual threads goes inward, to the module scopes and the tokens.

In:  ModuleScopes and Tokens of one thread, somewhere inside the thread loop.
Out: that loop is gone; each ModuleScope has a thread loop of its own, each Token outside of them is repeated for
     each thread. So every unit sees the threads in the same order at each scope (load 0, load 1, compute 0,
     compute 1), as tokens without identity require. Without threads nothing changes.
"""

from vta.compiler.te.ir import For, ModuleScope, Token, seq


def run(function, config):
    thread = function.thread
    if thread is None:
        return function

    def repeat(node):
        return seq(*[node] * thread.extent) if isinstance(node, Token) else For(thread, node, thread=True)
    return function.rewrite(For, lambda loop: loop.body if loop.thread else loop) \
                   .rewrite((ModuleScope, Token), repeat)
