"""The compiler wrapper, with a fake compiler that records its calls."""

import sys

import pytest

from vta.sim.cosim.objcache import main

COMPILER = ("import sys; a = sys.argv; open(a[a.index('-o') + 1], 'w').write(' '.join(a[1:]));"
            "open(a[1], 'a').write('x')")


@pytest.fixture
def compile_file(tmp_path):
    """compile_file(source, *flags) -> (text of the object, compiler calls so far)."""
    calls = tmp_path / "calls"
    calls.touch()

    def run(source, *flags):
        target = tmp_path / "out.o"
        target.unlink(missing_ok=True)
        command = [sys.executable, "-c", COMPILER, str(calls), *flags, "-c", "-o", str(target), source]
        assert main(str(tmp_path / "kept"), command) == 0
        return target.read_text(), len(calls.read_text())

    return run


def test_runtime_library_is_compiled_once(compile_file):
    first = compile_file("/v/include/verilated.cpp", "-O2", "-DAXI_DATA=64")
    assert first[1] == 1
    assert compile_file("/v/include/verilated.cpp", "-O2", "-DAXI_DATA=512") == first


def test_other_flags_and_files_are_compiled_again(compile_file):
    compile_file("/v/include/verilated.cpp", "-O2")
    assert compile_file("/v/include/verilated.cpp", "-O3")[1] == 2
    assert compile_file("/v/include/verilated_vpi.cpp", "-O3")[1] == 3


def test_files_of_a_design_are_never_kept(compile_file):
    for calls in (1, 2):
        assert compile_file("Vtop.cpp", "-O2")[1] == calls


def test_failure_is_passed_on_and_not_kept(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit(3)", "-o", str(tmp_path / "x.o"),
               "/v/include/verilated.cpp"]
    for _ in range(2):
        assert main(str(tmp_path / "kept"), command) == 3
    assert not (tmp_path / "kept").exists()
