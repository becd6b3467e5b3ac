"""The base of a property: a unit with free inputs, assumptions about them, assertions, ghost state."""

from amaranth.hdl import Assert, Assume, Cat, ClockDomain, Elaboratable, Fragment, Module, Signal, Value
from amaranth.lib.wiring import In


def inner(fragment, name):
    """The signal called `name` that the elaborated unit `fragment` assigns, for inductive invariants."""
    found = [signal for statements in fragment.statements.values()
             for statement in statements for signal in statement._lhs_signals() if signal.name == name]
    if not found:
        raise LookupError(f"the unit assigns no signal {name!r}")
    return found[0]


class Property(Elaboratable):
    """A design to prove: subclasses add units, assumptions and assertions in `state(m)`.

    `free` values and the undriven inputs of units may take any value in any cycle that the assumptions allow;
    registers start at their initial values. `started` is 0 in the first cycle of an execution, which has no past.
    """

    def __init__(self):
        self.inputs = []

    def free(self, shape, name):
        """A value that may be any in every cycle."""
        signal = Signal(shape, name=name)
        self.inputs.append(Value.cast(signal))
        return signal

    def constant(self, m, shape, name):
        """A value that may be any, but is the same in all cycles."""
        value = self.free(shape, name)
        m.d.comb += Assume(~self.started | (value == self.past(m, value)))
        return value

    def unit(self, m, unit):
        """Adds `unit` (a `wiring.Component`) to `m`, its inputs free; returns its elaborated form, for `inner`."""
        fragment = Fragment.get(unit, None)
        m.submodules.unit = fragment
        self.inputs += [Value.cast(value) for _, member, value in unit.signature.flatten(unit) if member.flow is In]
        return fragment

    def past(self, m, value):
        """`value` one cycle ago."""
        value = Value.cast(value)
        late = Signal(value.shape(), name="past")
        m.d.sync += late.eq(value)
        return late

    def held(self, m, valid, ready, payload, check=Assert):
        """The rule of every channel: a valid payload is neither withdrawn nor changed until it is taken.

        `check` is Assert for outputs of the unit, Assume for its inputs."""
        payload = Cat(Value.cast(value) for value in payload)
        waits = self.past(m, valid & ~ready)
        m.d.comb += check(~waits | (valid & (payload == self.past(m, payload))))

    def state(self, m):
        raise NotImplementedError

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = clock = ClockDomain(reset_less=True)
        self.inputs = [clock.clk]
        self.started = Signal()
        m.d.sync += self.started.eq(1)
        self.state(m)
        return m
