"""The RTL as a device: the generated Verilog in Verilator, cycle by cycle, driven through its registers.

The first device of a configuration builds its simulator (half a minute to two), later ones start in half a
second. The memory model and this process share the bytes of DRAM.
"""

from vta.runtime.device import BusError, DeviceError, run_error
from vta.runtime.driver import DrivenDevice, Driver
from vta.runtime.memory import DEFAULT_SIZE, Memory
from vta.sim.cosim.build import build
from vta.sim.cosim.simulation import Simulation

ORDERS = ("in_order", "reorder", "interleave")
LONGEST = 10_000                # latency in cycles; 3 times that ("reorder") is still below the default watchdog
ALL_READS, ALL_WRITES = 64, 256  # bursts, more than an accelerator has in flight
FOREVER = 1 << 62


class RtlDevice(DrivenDevice):
    """The accelerator of `config` in simulation, with a memory of these properties:

    latency         cycles from a read's address to its first beat, 1 to 10,000
    write_latency   cycles from a write's last beat to its response; default: as `latency`
    outstanding     bursts in flight in each direction before the memory stalls; default: no limit
    bandwidth       share of cycles in which a data channel may carry a beat
    stall, seed     probability that a channel pauses in a cycle; seed of all random choices
    order           "in_order", "reorder" (responses of different IDs) or "interleave" (their beats too)
    early           share of reads whose data is taken at the request, not at the response
    trace           path of a VCD file to write (slow, and up to 70 KB a cycle)
    verilog         text of the accelerator to simulate, if not the one that `config` generates
    """

    name = "tsim"

    def __init__(self, config, *, latency=16, write_latency=None, outstanding=None, bandwidth=1.0, stall=0.0,
                 seed=1, order="in_order", early=0.0, memory_size=DEFAULT_SIZE, trace=None, verilog=None):
        self._behaviour = {
            "latency": latency, "write_latency": write_latency, "outstanding": outstanding,
            "bandwidth": bandwidth, "stall": stall, "seed": seed, "order": order, "early": early}
        settings = memory_settings(config, **self._behaviour)
        if memory_size > 1 << config.axi_addr_width:
            raise ValueError(f"memory_size = {memory_size}: the accelerator's addresses have "
                             f"{config.axi_addr_width} bits")
        if trace is not None:
            open(trace, "wb").close()        # Verilator does not report a file that it cannot write
        program = build(config, verilog, trace=trace is not None)
        super().__init__(config, Memory(memory_size))
        try:
            self._simulation = Simulation(program, self.memory, trace)
            self._simulation.configure(**settings)
            self.driver = Driver(self._simulation, config, self._wait_interrupt)
        except BaseException:
            self.close()
            raise
        self._progress = None

    def set_memory(self, **options):
        """Change the memory's options that are given, of `latency` to `early` (see the constructor); between runs."""
        unknown = options.keys() - self._behaviour.keys()
        if unknown:
            raise ValueError(f"the memory has no option {min(unknown)!r}; it has {', '.join(self._behaviour)}")
        behaviour = self._behaviour | options
        self._simulation.configure(**memory_settings(self.config, **behaviour))
        self._behaviour = behaviour

    def inject_error(self, begin, end, reads=True, writes=True):
        """Until the end of the next run, answer transfers in the bytes [begin, end) with SLVERR."""
        self._simulation.ask("error_range", begin=begin, end=end, reads=reads, writes=writes)

    def _run(self, insn_address, insn_count, watchdog, progress):
        self._progress = progress
        try:
            result = self.driver.run(insn_address, insn_count, watchdog)
        except BusError as error:
            where = "; ".join(self.traffic()["bad_addresses"][:1])
            detail = f"outside of DRAM: {where}" if where else "the memory reported a failure"
            raise run_error(error.cause, error.unit, error.insn, detail, error.result) from None
        finally:
            self._progress = None
            if self._simulation.alive:           # not after Ctrl-C
                self.last_traffic = self.traffic()
                self._simulation.ask("clear")
        self._check_rules(self.last_traffic, result)     # transfers after the interrupt included
        return result

    def traffic(self):
        """The memory model's report since the start of the last run: "counts", "violations", "bad_addresses"."""
        return self._simulation.ask("report")

    def _wait_interrupt(self):
        end = self._simulation.run(FOREVER, self._progress)
        if end["fault"]:
            self._check_rules(self.traffic())

    @staticmethod
    def _check_rules(traffic, result=None):
        if violations := traffic["violations"]:
            raise DeviceError("the accelerator broke an AXI rule: " + "; ".join(violations[:3]), result=result)

    def close(self):
        if getattr(self, "_simulation", None) is not None:
            self._simulation.close()
        super().close()


def memory_settings(config, latency, write_latency, outstanding, bandwidth, stall, seed, order, early):
    """The options of RtlDevice as settings of the memory model; ValueError names an option out of range."""
    write_latency = latency if write_latency is None else write_latency
    for name, value, low, high in (
            ("latency", latency, 1, LONGEST), ("write_latency", write_latency, 1, LONGEST),
            ("outstanding", 1 if outstanding is None else outstanding, 1, 256),
            ("bandwidth", bandwidth, 0.001, 1), ("stall", stall, 0, 0.99), ("early", early, 0, 1),
            ("seed", seed, 0, 1 << 31)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"{name} = {value!r}: must be a number from {low} to {high}")
    for name, value in (("latency", latency), ("write_latency", write_latency), ("outstanding", outstanding or 1),
                        ("seed", seed)):
        if value != int(value):
            raise ValueError(f"{name} = {value!r}: must be a whole number")
    if order not in ORDERS:
        raise ValueError(f"order = {order!r}: must be one of {', '.join(ORDERS)}")
    settings = {f"stall_{channel}": stall for channel in ("ar", "r", "aw", "w", "b")}
    settings |= {"read_latency": latency, "write_latency": write_latency, "bandwidth": bandwidth,
                 "seed": seed, "order": ORDERS.index(order), "early": early, "max_burst": config.max_burst,
                 "max_reads": config.read_outstanding, "max_writes": config.write_outstanding,
                 "read_ids": config.read_ids, "reads": outstanding or ALL_READS, "writes": outstanding or ALL_WRITES}
    return settings
