"""`vta serve`: no client can harm the server, and the next client finds a working device."""

import contextlib
import random
import socket
import struct
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("msgpack")

from remote_bench import DEADLINE, TOKEN, connect, serving_here, shift_program

from vta.cli import main
from vta.hw.config import PRESETS
from vta.runtime.device import DeviceError
from vta.runtime.functional import FunctionalDevice
from vta.runtime.remote import wire
from vta.runtime.remote.client import RemoteError, parse_url
from vta.runtime.remote.serve import Server
from vta.runtime.remote.session import Session
from vta.runtime.remote.wire import LIMIT, Wire, pack


@pytest.fixture
def served():
    with serving_here() as server:
        yield server


HOSTILE = {
    "nothing": b"", "half a length": b"\0\0", "huge length": b"\xff" * 4,
    "length without body": b"\0\0\0\x20",
    "no msgpack": struct.pack(">I", 4) + b"\xc1\xc1\xc1\xc1",
    "no map": struct.pack(">I", 1) + b"\x01",
    "a list": struct.pack(">I", 3) + b"\x92\x01\x02", "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "deep": struct.pack(">I", 4000) + b"\x91" * 4000, "pickle": struct.pack(">I", 11) + b"cos\nsystem\n",
    "claimed giant": struct.pack(">I", 6) + b"\xc6\x7f\xff\xff\xff\x00",
    "op only": struct.pack(">I", 4) + b"\x81\xa2op", "not hello": None,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_before_the_token(served, name):
    data = HOSTILE[name] if HOSTILE[name] is not None else (lambda m: struct.pack(">I", len(m)) + m)(
        pack({"op": "run", "address": 4096, "count": 1}))
    with socket.create_connection(served.address, DEADLINE) as raw:
        raw.sendall(data)
        with contextlib.suppress(OSError):       # the server may have seen enough and be gone
            raw.shutdown(socket.SHUT_WR)
        wait_for_end(raw)                        # the greeting, perhaps a refusal, then the end
    with connect(served) as device:
        assert device.tokens["l2g"] == 0


def wait_for_end(raw):
    """Until the server ends the connection; OSError when it does not."""
    raw.settimeout(DEADLINE)
    with contextlib.suppress(ConnectionError):
        while raw.recv(65536):
            pass


def connect_when_there_is_room(server):
    """A device, once the slots of those who hung up are back."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            return connect(server)
        except RemoteError as error:
            assert "clients are connected already" in str(error)
            assert time.monotonic() < end, "no room although all others hung up"
            time.sleep(0.1)


def test_random_bytes(served):
    rng = random.Random(7)
    for _ in range(30):
        with socket.create_connection(served.address, DEADLINE) as raw, contextlib.suppress(ConnectionError):
            raw.sendall(rng.randbytes(rng.randrange(1, 2000)))
    with connect_when_there_is_room(served) as device:
        assert device.tokens["l2g"] == 0


def test_many_connections_do_not_lock_it_up(served):
    idle = [socket.create_connection(served.address, DEADLINE) for _ in range(40)]
    assert Wire(idle[0]).receive(timeout=DEADLINE)["op"] == "hello"
    assert Wire(idle[-1]).receive(timeout=DEADLINE) == {
        "op": "refused", "message": "16 clients are connected already, try later"}
    for raw in idle:
        raw.close()
    connect_when_there_is_room(served).close()


def logged_in(server):
    device = connect(server)
    return device, device._wire


@pytest.mark.parametrize("message", [
    {"op": "write"}, {"op": "write", "address": -1, "data": b"x"},
    {"op": "write", "address": 1 << 63, "data": b"x"}, {"op": "write", "address": "0", "data": b"x"},
    {"op": "write", "address": 0, "data": "text"}, {"op": "write", "address": (1 << 20) - 1, "data": b"xx"},
    {"op": "write", "address": True, "data": b"x"},
    {"op": "run"}, {"op": "run", "address": 0, "count": 0}, {"op": "run", "address": 8, "count": 1},
    {"op": "run", "address": 0, "count": 1 << 40},
    {"op": "run", "address": 0, "count": 1, "watchdog": []},
    {"op": "set_tokens"}, {"op": "set_tokens", "tokens": {"l2g": -1}},
    {"op": "set_tokens", "tokens": {"no": 1}},
    {"op": "__class__"}, {"op": "serve"}, {"op": "x" * 10_000},
], ids=lambda m: f"{m['op'][:12]} {len(m)}")
def test_hostile_messages_after_the_token(served, message):
    device, link = logged_in(served)
    link.send(**message)
    answer = link.receive(timeout=DEADLINE)
    assert answer["op"] == "refused" and len(answer["message"]) < 300
    insns, expected, target = shift_program(device, 1)
    device.run_insns(insns)
    assert (target.view(np.int8) == expected).all()
    device.close()


def random_value(rng, depth=0):
    kinds = [lambda: rng.randrange(-2, 1 << rng.randrange(1, 64)), lambda: rng.random(), lambda: None,
             lambda: rng.random() < 0.5, lambda: rng.randbytes(rng.randrange(40)), lambda: "x" * rng.randrange(40),
             lambda: 4096 * rng.randrange(300), lambda: rng.randrange(5)]
    if depth < 2:
        kinds += [lambda: [random_value(rng, depth + 1) for _ in range(rng.randrange(4))],
                  lambda: {rng.choice(["l2g", "s2g", "a"]): random_value(rng, depth + 1)}]
    return rng.choice(kinds)()


def test_random_messages_after_the_token(served):
    """The server answers every message, with a result or with a refusal in one line."""
    rng, seen = random.Random(11), set()
    device, link = logged_in(served)
    for _ in range(600):
        names = rng.sample(["address", "data", "count", "watchdog", "progress", "tokens"], rng.randrange(7))
        op = rng.choice(["write", "run", "tokens", "set_tokens", "reset", "other"])
        link.send(op, **{name: random_value(rng) for name in names})
        answer = link.receive(timeout=DEADLINE)
        while answer["op"] in ("progress", "data"):
            answer = link.receive(timeout=DEADLINE)
        assert answer["op"] in ("done", "tokens", "result", "refused")
        assert len(str(answer.get("message", ""))) < 300
        seen.add((op, answer["op"]))
    assert {("write", "done"), ("set_tokens", "done"), ("run", "result"), ("other", "refused")} <= seen
    device.close()


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", struct.pack(">I", LIMIT) + b"\x81",
                                  struct.pack(">I", 5) + b"\x81\xa2op\x01", b"\0\0\0\0"],
                         ids=["too long", "dropped in the middle", "op is a number", "empty"])
def test_broken_frames_after_the_token(served, data):
    lost, link = logged_in(served)
    link.socket.sendall(data)
    lost.close()
    with connect(served) as device:
        assert device.tokens["l2g"] == 0


def test_too_much_data_in_one_write(served):
    device, link = logged_in(served)
    link.send("write", address=0, data=bytes(wire.CHUNK + 1))
    assert "at most" in link.receive(timeout=DEADLINE)["message"]
    device.close()


def test_connection_lost_in_the_middle_of_a_run(served, monkeypatch):
    started, go_on = threading.Event(), threading.Event()

    def slow_run(self, *arguments):
        started.set()
        go_on.wait(DEADLINE)
        raise DeviceError("interrupted")

    monkeypatch.setattr(FunctionalDevice, "_run", slow_run)
    lost, link = logged_in(served)
    link.send("run", address=4096, count=1)
    assert started.wait(DEADLINE)
    lost.close()
    go_on.set()
    monkeypatch.undo()
    with connect(served, wait=DEADLINE) as device:
        insns, expected, target = shift_program(device, 1)
        device.run_insns(insns)
        assert (target.view(np.int8) == expected).all()


def test_device_that_dies_is_opened_anew(served, monkeypatch):
    def die(self, *arguments):
        raise RuntimeError("the simulator ended")

    monkeypatch.setattr(FunctionalDevice, "_run", die)
    with connect(served) as device, pytest.raises(RemoteError, match="the device failed: the simulator ended"):
        device.run(4096, 1)
    monkeypatch.undo()
    with connect(served, wait=DEADLINE) as device:
        insns, expected, target = shift_program(device, 1)
        device.run_insns(insns)
        assert (target.view(np.int8) == expected).all()


def test_idle_client_loses_the_device(monkeypatch):
    idle = [0.2, DEADLINE]                       # only the first has to be quick
    monkeypatch.setattr("vta.runtime.remote.serve.Session", lambda device, wire, _: Session(device, wire, idle.pop(0)))
    with serving_here() as server, connect(server) as first:
        with connect(server, wait=DEADLINE) as second:
            assert second.tokens["l2g"] == 0
        with pytest.raises(RemoteError):
            _ = first.tokens


def test_idle_time_is_the_servers(served, monkeypatch):
    monkeypatch.setattr(served, "_idle", 0.01)
    with connect(served) as device:
        time.sleep(0.5)
        with pytest.raises(RemoteError):
            _ = device.tokens


def test_slow_hello_is_dropped(served, monkeypatch):
    monkeypatch.setattr("vta.runtime.remote.serve.HELLO_SECONDS", 0.3)
    with socket.create_connection(served.address, DEADLINE) as raw:
        Wire(raw).receive(timeout=DEADLINE)
        end, dropped = time.monotonic() + DEADLINE, False
        raw.settimeout(0.05)
        while not dropped and time.monotonic() < end:        # a byte now and then does not help
            try:
                raw.sendall(b"\0")
                dropped = not raw.recv(1)
            except TimeoutError:
                pass
            except ConnectionError:
                dropped = True
        assert dropped


def test_short_token_and_taken_port(served):
    with pytest.raises(ValueError, match="a token of 3 characters: at least 8"):
        Server(lambda: FunctionalDevice("tiny", 1 << 20), "abc")
    with pytest.raises(ValueError, match="cannot listen on 127"):
        Server(lambda: FunctionalDevice("tiny", 1 << 20), TOKEN, *served.address)


@pytest.mark.parametrize("arguments, message", [
    (["--device", "tcp://x"], "cannot be served again"),
    (["--port", "70000"], "--port 70000"),
    (["--idle", "0"], "--idle 0.0: must be more than 0 seconds"), (["--idle", "nan"], "--idle nan"),
    (["--token", "short"], "at least 8"), (["--device", "nothing"], "no device 'nothing'")])
def test_serve_mistakes(arguments, message, capsys):
    assert main(["serve", *arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("vta: ") and message in said and said.count("\n") == 1


def test_the_url_that_serve_prints_is_the_one_to_use(monkeypatch, capsys):
    """Whatever characters its token has."""
    stub = SimpleNamespace(config=PRESETS["tiny"], url="tcp://board:7780", serve_forever=lambda: None,
                           close=lambda: None)
    monkeypatch.setattr("vta.runtime.remote.serve.Server", lambda *_: stub)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    token = "a+b c&d=%41#é"
    assert main(["serve", "--token", token]) == 0
    assert parse_url(capsys.readouterr().out.split(" at ")[1].strip()) == ("board", 7780, token)
