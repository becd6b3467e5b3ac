"""Build, simulator process and its requests, on a small accelerator that copies memory (axi_copier.py)."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from axi_copier import BEATS, Copier
from repository import SUPPORT

from vta.hw.config import PRESETS
from vta.hw.export.verilog import to_verilog
from vta.runtime.memory import Memory
from vta.sim.cosim.build import build
from vta.sim.cosim.simulation import Simulation, SimulationError
from vta.sim.cosim.toolchain import ToolchainError

pytestmark = pytest.mark.rtl
CONFIG = PRESETS["default"]
CONTROL, SOURCE, TARGET, BURSTS = 0x0, 0x4, 0x8, 0xC
BURST_BYTES = BEATS * CONFIG.bus_bytes


@pytest.fixture(scope="module")
def program():
    return build(CONFIG, to_verilog(Copier(CONFIG), "vta"))


@pytest.fixture
def memory():
    memory = Memory(1 << 20)
    yield memory
    memory.close()


def copy(simulation, memory, bursts, source=0x1000, target=0x80000, seed=0):
    """Copy random bytes; returns the reply to `run` after comparing all of memory."""
    random = np.random.default_rng(seed)
    nbytes = bursts * BURST_BYTES
    memory.view(source, nbytes)[:] = random.integers(0, 256, nbytes, dtype=np.uint8)
    expected = memory.bytes.copy()
    expected[target:target + nbytes] = expected[source:source + nbytes]
    for offset, value in ((SOURCE, source), (TARGET, target), (BURSTS, bursts), (CONTROL, 1)):
        simulation.write(offset, value)
    reply = simulation.run(10_000_000)
    assert np.array_equal(memory.bytes, expected)
    return reply


def test_copies_and_counts(program, memory):
    with Simulation(program, memory) as simulation:
        for run in range(3):
            reply = copy(simulation, memory, bursts=10 + run, seed=run)
            assert reply["interrupt"] and not reply["fault"]
            report = simulation.ask("report")
            beats = BEATS * (10 + run)
            assert report["counts"] == {"read_beats": beats, "read_bursts": 10 + run, "write_beats": beats,
                                        "write_bursts": 10 + run, "under_way": 0, "violations": 0,
                                        "bad_addresses": 0}
            simulation.ask("clear")
        assert simulation.read(CONTROL) == 2 and simulation.read(SOURCE) == 0x1000 + 12 * BURST_BYTES


def test_latency_is_as_requested(program, memory):
    """A burst takes a fixed time plus one read latency and one write latency."""
    cycles = {}
    with Simulation(program, memory) as simulation:
        for read, write in ((1, 1), (17, 1), (17, 41)):
            simulation.configure(read_latency=read, write_latency=write)
            cycles[read, write] = copy(simulation, memory, bursts=8)["cycles"]
    assert cycles[17, 1] - cycles[1, 1] == 8 * 16
    assert cycles[17, 41] - cycles[17, 1] == 8 * 40


def test_progress_and_limit(program, memory):
    seen = []
    with Simulation(program, memory) as simulation:
        for offset, value in ((SOURCE, 0x1000), (TARGET, 0x80000), (BURSTS, 100), (CONTROL, 1)):
            simulation.write(offset, value)
        reply = simulation.run(1000, progress=seen.append, step=300)
        assert not reply["interrupt"] and 1000 <= reply["cycles"] <= 1002
        assert len(seen) == 4 and seen == sorted(seen)
        assert simulation.run(1_000_000)["interrupt"]


def test_two_processes_at_once(program):
    """One build serves several simulations, each with a memory of its own."""
    def one(seed):
        memory = Memory(1 << 20)
        with Simulation(program, memory) as simulation:
            simulation.configure(seed=seed, stall_r=0.1 * seed)
            reply = copy(simulation, memory, bursts=200, seed=seed)
        memory.close()
        return reply["cycles"]
    with ThreadPoolExecutor(2) as pool:
        fast, slow = pool.map(one, (0, 5))
    assert slow > 1.1 * fast


def test_concurrent_builds_share_the_work():
    """Two processes that want the same new build: one makes it, both use it, nothing partial is left."""
    nonce = time.time_ns()
    script = (f"import sys; sys.path.insert(0, {str(SUPPORT)!r})\n"
              "from axi_copier import Copier\nfrom vta.commands._common import log_to_stderr\n"
              "from vta.hw.config import PRESETS\n"
              "from vta.hw.export.verilog import to_verilog\nfrom vta.sim.cosim.build import build\n"
              "c = PRESETS['default']\nlog_to_stderr()\n"
              f"text = to_verilog(Copier(c), 'vta') + '// {nonce}'\n"
              "print(build(c, text).executable)")
    both = [subprocess.Popen([sys.executable, "-I", "-c", script], text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT) for _ in range(2)]
    outputs = [process.communicate()[0].strip().splitlines() for process in both]
    executable = Path(outputs[0][-1])
    assert outputs[1][-1] == str(executable) and executable.exists()
    assert sorted(len(lines) for lines in outputs) == [1, 3]        # one of them built and logged it
    assert not executable.parent.with_suffix(".partial").exists()
    shutil.rmtree(executable.parent)


def test_bad_address_is_recorded(program, memory):
    with Simulation(program, memory) as simulation:
        for offset, value in ((SOURCE, 0x200000), (TARGET, 0x80000), (BURSTS, 1), (CONTROL, 1)):
            simulation.write(offset, value)
        simulation.run(10_000)
        report = simulation.ask("report")
    assert report["counts"]["bad_addresses"] == BEATS and "read at 0x200000 " in report["bad_addresses"][0]


def test_broken_rule_stops_the_run(program, memory):
    with Simulation(program, memory) as simulation:
        simulation.configure(max_burst=4)
        for offset, value in ((SOURCE, 0x1000), (TARGET, 0x80000), (BURSTS, 1000), (CONTROL, 1)):
            simulation.write(offset, value)
        reply = simulation.run(1_000_000)
        assert reply["fault"] and reply["cycles"] < 20
        assert "8 beats, the limit is 4" in simulation.ask("report")["violations"][0]


def test_refused_requests(program, memory):
    with Simulation(program, memory) as simulation:
        with pytest.raises(SimulationError, match="no setting 'speed'"):
            simulation.configure(speed=1)
        with pytest.raises(SimulationError, match=r"cannot map 4096 bytes of /no/such/file"):
            simulation.ask("map", path="/no/such/file", base=0, size=4096)
        assert copy(simulation, memory, bursts=1)["interrupt"]      # and continues


def test_a_simulator_that_dies_is_reported(program, memory):
    with Simulation(program, memory) as simulation:
        os.kill(simulation._process.pid, signal.SIGKILL)
        with pytest.raises(SimulationError, match="ended during 'registers'"):
            simulation.read(0)


def test_simulator_ends_with_its_host(program, tmp_path):
    """Kill the host in the middle of an endless run: the simulator notices and exits."""
    script = (f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nsys.path.insert(0, {str(SUPPORT)!r})\n"
              "from test_simulation import *\n"
              "s = Simulation(build(CONFIG, to_verilog(Copier(CONFIG), 'vta')), Memory(1 << 20))\n"
              "print(s._process.pid, flush=True)\ns.run(1 << 60)")
    host = subprocess.Popen([sys.executable, "-I", "-c", script], stdout=subprocess.PIPE, text=True)
    simulator = int(host.stdout.readline())
    time.sleep(0.3)
    host.kill()
    host.communicate()
    for _ in range(50):
        if not _runs(simulator):
            return
        time.sleep(0.1)
    raise AssertionError(f"simulator {simulator} outlives its host")


def _runs(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_verilog_that_does_not_compile(tmp_path, monkeypatch):
    monkeypatch.setenv("VTA_CACHE", str(tmp_path))
    with pytest.raises(ToolchainError, match=r"does not build(.|\n)*Error"):
        build(CONFIG, "module vta (input wire aclk; endmodule\n")


def test_trace(memory, tmp_path):
    program = build(CONFIG, to_verilog(Copier(CONFIG), "vta"), trace=True)
    path = tmp_path / "copy.vcd"
    with Simulation(program, memory, trace=path) as simulation:
        copy(simulation, memory, bursts=2)
    text = path.read_text()
    assert "m_axi_araddr" in text and text.count("\n#") > 100
