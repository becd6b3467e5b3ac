"""Remote devices over loopback: the same results as on the device itself, and clear messages on a mismatch."""

import os
import runpy
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager

import numpy as np
import pytest
from repository import EXAMPLES

pytest.importorskip("msgpack")

from remote_bench import DEADLINE, TOKEN, connect, serving_here, shift_program

from vta.hw.config import Config
from vta.runtime.device import BusError, Device, InstructionError, RunResult, open_device
from vta.runtime.functional import FunctionalDevice
from vta.runtime.memory import AddressError, Memory
from vta.runtime.remote.client import RemoteDevice, parse_url
from vta.runtime.remote.wire import PAGE, RemoteError, Wire, changes

TUTORIALS = ("get_started", "matmul", "matmul_opt", "conv2d")


@pytest.fixture
def served():
    with serving_here() as server:
        yield server


def test_equal_to_the_device_itself(served):
    with FunctionalDevice("tiny", 1 << 20) as local, connect(served) as remote:
        for run, amount in enumerate((1, 3), 1):
            results = []
            for device in (local, remote):
                insns, expected, target = shift_program(device, amount)
                results.append(device.run_insns(insns))
                assert (target.view(np.int8) == expected).all()
            assert results[0].counters == results[1].counters and results[0].stats == results[1].stats
            assert results[0].tokens_left == results[1].tokens_left
            assert results[1].tokens_left == {"l2g": 0, "g2l": 0, "g2s": 0, "s2g": run}
        assert (local.memory.bytes == remote.memory.bytes).all()
        assert local.stats() == remote.stats()
        assert remote.remote_name == "sim" and remote.config == local.config


def test_clients_one_after_another_start_afresh(served):
    with connect(served) as device:
        insns, _, _ = shift_program(device, 2)
        device.run_insns(insns)
        device.set_tokens(l2g=5)
        assert device.tokens["l2g"] == 5
        device.reset()
        assert device.tokens["l2g"] == 0
    with connect(served) as device:
        assert not device.tokens["s2g"]
        insns, expected, target = shift_program(device, 2)
        device.run_insns(insns)
        assert (target.view(np.int8) == expected).all()
        assert not device._known.bytes[1 << 19:].any()


def test_second_client_waits_for_the_first(served):
    first = connect(served)
    with pytest.raises(RemoteError, match=r"in use by another client; gave up after 0\.2 s"):
        connect(served, wait=0.2)
    threading.Timer(0.2, first.close).start()
    with connect(served, wait=DEADLINE) as second:
        assert second.tokens["l2g"] == 0


def test_errors_arrive_as_themselves(served):
    with connect(served) as device:
        insns, _, _ = shift_program(device, 1)
        bad = insns.copy()
        bad[0] = 7, 0
        with pytest.raises(InstructionError) as caught:
            device.run_insns(bad)
        assert caught.value.insn == 0 and caught.value.unit.name == "COMPUTE"
        assert caught.value.result.counters["out_tiles"] == 1
        with pytest.raises(RemoteError, match="set_tokens"):
            device._ask("set_tokens", tokens=3)
        with pytest.raises(ValueError, match="no dependency queue 'x'"):
            device.set_tokens(x=1)
        with pytest.raises(RemoteError, match=r"watchdog = 0: must be a whole number from 1"):
            device.run_insns(insns, watchdog=0)
        with pytest.raises(AddressError):
            device.run(1 << 20, 1)
        assert device.run_insns(insns).counters["out_tiles"] == 1
    with pytest.raises(RemoteError, match="the device is closed"):
        _ = device.tokens


class Slow(Device):
    """A device whose runs report progress and then change memory beyond every buffer."""

    name = "slow"

    def __init__(self):
        super().__init__(Config.load("tiny"), Memory(1 << 22))
        self.tokens_now = dict.fromkeys(("l2g", "g2l", "g2s", "s2g"), 0)

    tokens = property(lambda self: self.tokens_now)

    def set_tokens(self, **counts):
        self.tokens_now.update(counts)

    def reset(self):
        self.set_tokens(**dict.fromkeys(self.tokens_now, 0))

    def _run(self, insn_address, insn_count, watchdog, progress):
        for cycles in (np.int64(100), 200):
            if progress:
                progress(cycles)
        self.memory.bytes[3 << 20:] = np.arange(1 << 20, dtype=np.uint8)
        counters = dict.fromkeys(("inp_tiles", "wgt_tiles", "acc_tiles", "uop_words", "out_tiles",
                                  "gemm_steps", "alu_steps"), np.int64(1))
        result = RunResult(200, counters, self.tokens, 0.1)
        if insn_count == 2:
            raise BusError("memory read answered with an error", result=result)
        return result


def test_progress_and_changes_everywhere():
    with serving_here(None, Slow) as server, open_device(server.url, "tiny") as device:
        seen = []
        result = device.run(4096, 1, progress=seen.append)
        assert seen == [100, 200] and result.cycles == 200 and result.counters["inp_tiles"] == 1
        assert (device.memory.bytes[3 << 20:] == np.arange(1 << 20, dtype=np.uint8)).all()
        device.memory.clear()
        with pytest.raises(BusError, match="answered with an error"):
            device.run(4096, 2)
        assert device.memory.bytes[-1] == 255, "cleared here, written there again: it comes back"
        assert device.stats()["cycle_count"] == 400


def test_changes_finds_exactly_what_differs():
    with closing(Memory(8 << 20)) as one, closing(Memory(8 << 20)) as other:
        check_changes(np.random.default_rng(1), one, other)


def check_changes(rng, one, other):
    for _ in range(3):
        for at in rng.integers(0, one.size, 20):
            one.bytes[at] ^= 1
        before = other.bytes.copy()
        sent = list(changes(one, other))
        assert (one.bytes == other.bytes).all() and 0 < sum(len(data) for _, data in sent) <= 20 * PAGE
        for address, data in sent:
            before[address:address + len(data)] = np.frombuffer(data, np.uint8)
        assert (before == one.bytes).all()
    one.clear()
    assert list(changes(one, other)) and not other.bytes.any() and not list(changes(one, other))


@pytest.mark.parametrize("token, message", [("not-the-token", "wrong token"), (None, "wants its token")])
def test_token(served, token, message, monkeypatch):
    monkeypatch.delenv("VTA_TOKEN", raising=False)
    with pytest.raises(RemoteError, match=message):
        RemoteDevice(served.url, "tiny", token=token)
    monkeypatch.setenv("VTA_TOKEN", TOKEN)
    if token is None:
        RemoteDevice(served.url, "tiny").close()


def test_server_that_does_not_know_the_token():
    with serving_here(None) as server, pytest.raises(RemoteError, match="does not know the token"):
        RemoteDevice(server.url, "tiny", token="the-real-token")


def test_other_configuration(served):
    with pytest.raises(RemoteError, match="program: it needs LOG_BLOCK = 4, configuration 'tiny' has 2"):
        open_device(served.url, "default", token=TOKEN)


def test_other_version(served, monkeypatch):
    monkeypatch.setattr("vta.runtime.remote.client.PROTOCOL", 99)
    with pytest.raises(RemoteError, match=r"speaks protocol 2 \(version .*this side 99"):
        connect(served)
    with socket.create_connection(served.address, DEADLINE) as raw:
        link = Wire(raw)
        link.receive(timeout=DEADLINE)
        link.send("hello", protocol=99)
        assert "this server speaks protocol 2" in link.receive(timeout=DEADLINE)["message"]


def test_interrupted_client_hangs_up(served, monkeypatch):
    def interrupt(cycles):
        raise KeyboardInterrupt

    monkeypatch.setattr(FunctionalDevice, "_run", lambda self, address, count, watchdog, progress: progress(1))
    with connect(served) as device:
        with pytest.raises(KeyboardInterrupt):
            device.run(4096, 1, progress=interrupt)
        with pytest.raises(RemoteError, match="the device is closed"):       # no answer is taken for another
            _ = device.tokens
    monkeypatch.undo()
    with connect(served, wait=DEADLINE) as device:
        assert device.tokens["l2g"] == 0


def test_something_else_listens_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            peer, _ = listener.accept()
            peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            peer.close()
        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(RemoteError, match="no vta server of this version"):
            open_device(f"tcp://127.0.0.1:{listener.getsockname()[1]}", "tiny")
        thread.join()


@pytest.mark.parametrize("url", ["tcp://", "tcp://host:port", "tcp://host:99999", "tcp://host/path",
                                 "tcp://host?tokem=x", "tcp://host?token"])
def test_bad_urls(url):
    with pytest.raises(ValueError, match="device 'tcp://"):
        parse_url(url)


def test_urls():
    assert parse_url("tcp://host") == ("host", 7780, None)
    assert parse_url("tcp://[::1]:5?token=a%20b") == ("::1", 5, "a b")


def test_no_server():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(RemoteError, match=f"cannot connect to tcp://127.0.0.1:{port}"):
        open_device(f"tcp://127.0.0.1:{port}", "tiny")


@contextmanager
def serving(config, *arguments):
    """The URL of a `vta serve` in a process of its own; it must end cleanly when told to."""
    environment = os.environ | {"VTA_TOKEN": TOKEN}
    command = [sys.executable, "-I", "-m", "vta", "serve", "--config", config, "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=environment)
    try:
        url = process.stdout.readline().split()[-1]
        assert url.endswith(f"?token={TOKEN}")
        yield url
    finally:
        process.terminate()
        out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0 and not err, (out, err)


def test_two_processes():
    with serving("tiny") as url, open_device(url, "tiny") as device:
        insns, expected, target = shift_program(device, 2)
        device.run_insns(insns)
        assert (target.view(np.int8) == expected).all()


def test_tutorials_run_remotely(monkeypatch, capsys):
    """The four tutorials print the same on a device of another process, one client after another."""
    def run(name, *arguments):
        monkeypatch.setattr("sys.argv", [name, *arguments])
        names = runpy.run_path(str(EXAMPLES / f"{name}.py"))
        names["device"].close()
        return capsys.readouterr().out

    with serving("default") as url:
        for name in TUTORIALS:
            assert run(name, url) == run(name)


@pytest.mark.rtl
def test_rtl_device_behind_the_server():
    with serving("tiny", "--device", "tsim") as url, open_device(url, "tiny", timeout=300) as device:
        for amount in (1, 2):
            insns, expected, target = shift_program(device, amount)
            result = device.run_insns(insns)
            assert (target.view(np.int8) == expected).all()
            assert result.cycles > 0 and device.tokens["s2g"] == amount
