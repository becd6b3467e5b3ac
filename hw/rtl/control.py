"""The control port: an AXI4-Lite slave in front of the register map, launch, finish, interrupt, soft reset."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.registers import ADDRESS_BITS, SHAPES, register_map
from vta.hw.rtl.axi import OKAY, lite_signature

SLVERR = 0b10


def selected(values, index):
    """values[index] as a tree of multiplexers, a third of the size of a chain of comparisons; any of the values
    if `index` is not a key."""
    if len(values) == 1:
        return next(iter(values.values()))
    bit = max(low ^ high for low in values for high in values).bit_length() - 1      # the topmost in which keys differ
    low, high = ({key: value for key, value in values.items() if (key >> bit) & 1 == side} for side in (0, 1))
    return Mux(index[bit], selected(high, index), selected(low, index))


class RegisterPort(wiring.Component):
    """Decodes AXI4-Lite accesses to the registers of `register_map(config)`.

    For a register `r`, whose ports have its fields (`Register.shape`): access "rw": output `r` holds what was written
    (byte strobes honoured). "ro": input `r` is read. All others: input `r` is read, and in the cycle of a write output
    `r_write` holds the bits written as 1; where `r` has no fields it is 1, and `write_data` the word. Addresses
    without a register respond with SLVERR, read as 0 and change nothing. One access of each kind at a time; a read
    takes three cycles, a write three from its data on.
    """

    def __init__(self, config):
        self.registers = register_map(config)
        ports = {"bus": In(lite_signature(ADDRESS_BITS)), "write_data": Out(32)}
        for register in self.registers:
            ports[register.name] = Out(register.shape) if register.access == "rw" else In(register.shape)
            if register.access not in ("rw", "ro"):
                ports[f"{register.name}_write"] = Out(register.shape if register.fields else 1)
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        write = Signal()         # the registers of the next line hold a write
        written = Signal(data.StructLayout({"number": ADDRESS_BITS - 2, "data": 32, "strobe": 4}), reset_less=True)
        read = Signal()          # the next line's, a read
        number = Signal(ADDRESS_BITS - 2, reset_less=True)
        accepted_write = Signal()
        accepted_read = Signal()
        m.d.comb += [
            accepted_write.eq(bus.awvalid & bus.wvalid & ~bus.bvalid & ~write),
            bus.awready.eq(accepted_write), bus.wready.eq(accepted_write),
            accepted_read.eq(bus.arvalid & ~bus.rvalid & ~read), bus.arready.eq(accepted_read),
            self.write_data.eq(written.data),
        ]
        m.d.sync += [
            write.eq(accepted_write), written.number.eq(bus.awaddr[2:]), written.data.eq(bus.wdata),
            written.strobe.eq(bus.wstrb), read.eq(accepted_read), number.eq(bus.araddr[2:])]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        with m.If(write):
            m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(SLVERR)]
        with m.If(read):
            m.d.sync += [bus.rvalid.eq(1), bus.rresp.eq(SLVERR), bus.rdata.eq(0)]

        readable = {}
        for register in self.registers:
            port = Value.cast(getattr(self, register.name))
            readable[register.offset >> 2] = port if register.access != "wo" else Const(0, 32)
            with m.If(write & (written.number == register.offset >> 2)):
                m.d.sync += bus.bresp.eq(OKAY)
                if register.access == "rw":
                    for byte, strobe in enumerate(written.strobe):
                        with m.If(strobe):
                            m.d.sync += port.word_select(byte, 8).eq(written.data.word_select(byte, 8))
                elif register.access != "ro":
                    m.d.comb += getattr(self, f"{register.name}_write").eq(written.data if register.fields else 1)
        known = Cat(number == offset for offset in readable).any()
        with m.If(read & known):
            m.d.sync += [bus.rresp.eq(OKAY), bus.rdata.eq(selected(readable, number))]
        return m


class RunControl(wiring.Component):
    """Launch, finish, cycle counter, interrupt and soft reset.

    `launch` starts a run unless one is in progress: `start` for one cycle, the next, then `running` until `finish` or
    `abort`. `done` is cleared by the launch and set at the end. `cycles` counts the run, its last cycle included.
    The end of a run and `error_seen` set `irq_status`; ones in `irq_clear` clear it. `reset` requests a soft
    reset: `halt` stops new transfers, and once `bus_idle` the core gets `core_reset`, a register, for one cycle.
    """

    def __init__(self):
        interrupts = SHAPES["irq_status"]
        super().__init__({
            "launch": In(1), "finish": In(1), "abort": In(1), "reset": In(1), "bus_idle": In(1),
            "error_seen": In(1), "irq_enable": In(interrupts), "irq_clear": In(interrupts),
            "start": Out(1), "running": Out(1), "done": Out(1), "cycles": Out(32), "wrapped": Out(1),
            "irq_status": Out(interrupts), "interrupt": Out(1), "halt": Out(1), "core_reset": Out(1)})

    def elaborate(self, platform):
        m = Module()
        ended = Signal()
        resetting = Signal()
        m.d.comb += [
            ended.eq(self.running & (self.finish | self.abort)),
            self.halt.eq(resetting),
        ]
        m.d.sync += [self.start.eq(self.launch & ~self.running & ~resetting & ~self.reset & ~self.start),
                     self.core_reset.eq(resetting & self.bus_idle & ~self.core_reset)]
        with m.If(self.running):
            m.d.sync += [self.cycles.eq(self.cycles + 1), self.wrapped.eq(self.wrapped | self.cycles.all())]
        with m.If(ended):
            m.d.sync += [self.running.eq(0), self.done.eq(1)]
        with m.If(self.start):
            m.d.sync += [self.running.eq(1), self.done.eq(0), self.cycles.eq(0), self.wrapped.eq(0)]
        for name, event in (("done", ended), ("error", self.error_seen)):
            status = self.irq_status[name]
            m.d.sync += status.eq(((status & ~self.irq_clear[name]) | event) & ~self.core_reset)
        m.d.sync += self.interrupt.eq((self.irq_status.as_value() & self.irq_enable.as_value()).any())
        with m.If(self.reset):
            m.d.sync += resetting.eq(1)
        with m.If(self.core_reset):
            m.d.sync += [resetting.eq(0), self.running.eq(0), self.done.eq(0)]
        return m
