"""The top module `vta`: control port, counters and core, with the port names of docs/architecture.md."""

from amaranth.hdl import ClockDomain, Const, Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.isa import Queue
from vta.hw.registers import ADDRESS_BITS, POINTERS, identity
from vta.hw.rtl.axi import CONSTANTS, bus_log, lite_signature, read_signature, write_signature
from vta.hw.rtl.control import RegisterPort, RunControl
from vta.hw.rtl.core import READ_CLIENTS, WRITE_PORT, Core
from vta.hw.rtl.perf_counters import VALUES, PerfCounters


def master_ports(config, prefix):
    """The AXI4 master signals of one port, by name."""
    ports = {}
    for channel in ("ar", "aw"):
        ports |= {f"{prefix}{channel}size": Out(3), f"{prefix}{channel}burst": Out(2),
                  f"{prefix}{channel}cache": Out(4), f"{prefix}{channel}prot": Out(3)}
    for signature in (read_signature(config), write_signature(config)):
        ports |= {f"{prefix}{name}": member for name, member in signature.members.items()}
    return ports


def port_prefix(number):
    """The name prefix of AXI master `number`."""
    return f"m_axi{number or ''}_"


class Vta(wiring.Component):
    """VTA with its bus ports; see docs/architecture.md for the ports and docs/registers.md for the registers.

    One clock `aclk`; `aresetn` is synchronous and active low. `interrupt` is a level, high while an enabled
    event is pending.
    """

    def __init__(self, config):
        self.config = config
        ports = {"aclk": In(1), "aresetn": In(1), "interrupt": Out(1)}
        for name, member in lite_signature(ADDRESS_BITS).members.items():
            ports[f"s_axi_{name}"] = member.flip()
        for number in range(config.axi_ports):
            ports |= master_ports(config, port_prefix(number))
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain()
        m.d.comb += [sync.clk.eq(self.aclk), sync.rst.eq(~self.aresetn)]
        m.submodules.registers = registers = RegisterPort(self.config)
        m.submodules.control = control = RunControl()
        m.submodules.counters = counters = PerfCounters()
        core = Core(self.config)
        m.submodules.core = ResetInserter(control.core_reset)(core)

        for name, member in lite_signature(ADDRESS_BITS).members.items():
            inner, outer = getattr(registers.bus, name), getattr(self, f"s_axi_{name}")
            m.d.comb += inner.eq(outer) if member.flow == Out else outer.eq(inner)
        self._masters(m, core)

        # registers -> run
        wiring.connect(m, core.add, counters.add)
        irq_clear = registers.irq_status_write
        m.d.comb += [
            control.launch.eq(registers.control_write.launch), control.reset.eq(registers.reset_write.reset),
            control.irq_enable.eq(registers.irq_enable), control.irq_clear.eq(irq_clear),
            core.start.eq(control.start), core.running.eq(control.running), core.halt.eq(control.halt),
            core.insn_count.eq(registers.insn_count), core.watchdog.eq(registers.watchdog),
            core.tokens_value.eq(registers.write_data),
            *(core.tokens_set[queue].eq(getattr(registers, f"tokens_{queue.name.lower()}_write")) for queue in Queue),
            control.finish.eq(core.finish), control.abort.eq(core.expired),
            control.bus_idle.eq(core.bus_idle), control.error_seen.eq(core.error_seen),
            counters.clear.eq(control.start), counters.enable.eq(control.running),
            self.interrupt.eq(control.interrupt),
        ]
        for name in POINTERS:
            low, high = getattr(registers, f"{name}_ptr"), getattr(registers, f"{name}_ptr_hi", Const(0, 0))
            m.d.comb += getattr(core, f"{name}_ptr").eq(low | high << 32)

        # run -> registers
        counts, status = counters.value, registers.status
        m.d.sync += [
            core.error_clear.eq(irq_clear.error), status.drained.eq(core.settled & core.bus_idle),
            registers.acc_writes.eq(counts.gemm_steps + counts.reset_steps + counts.alu_steps),
        ]
        m.d.comb += [
            registers.control.launch.eq(control.running), registers.control.finish.eq(control.done),
            status.busy.eq(control.running), status.done.eq(control.done), status.error.eq(core.error.cause.any()),
            status.cycles_wrapped.eq(control.wrapped),
            registers.cycles.eq(control.cycles),
            registers.error.eq(core.error), registers.error_insn.eq(core.error_insn),
            registers.irq_status.eq(control.irq_status),
            *(getattr(registers, name).eq(value) for name, value in identity(self.config).items()),
            *(getattr(registers, f"tokens_{queue.name.lower()}").eq(core.tokens[queue]) for queue in Queue),
            *(getattr(registers, f"count_{name}").eq(getattr(counts, name)) for name in VALUES.members),
        ]
        return m

    def _masters(self, m, core):
        """Join the core's channels to the AXI ports; unused channels stay silent."""
        reads = iter(core.read)
        for number, clients in enumerate(READ_CLIENTS[self.config.axi_ports]):
            prefix = port_prefix(number)
            for channel in ("ar", "aw"):
                m.d.comb += getattr(self, f"{prefix}{channel}size").eq(bus_log(self.config))
                m.d.comb += [getattr(self, f"{prefix}{channel}{name}").eq(value) for name, value in CONSTANTS.items()]
            if clients:
                self._join(m, prefix, next(reads), read_signature(self.config))
            if number == WRITE_PORT[self.config.axi_ports]:
                self._join(m, prefix, core.write, write_signature(self.config))

    def _join(self, m, prefix, inner, signature):
        for name, member in signature.members.items():
            outer = getattr(self, f"{prefix}{name}")
            port = getattr(inner, name)
            m.d.comb += outer.eq(port) if member.flow == Out else port.eq(outer)
