"""The board table: consistent, and equal to the table in docs/boards.md."""


import pytest
from repository import DOCS

from vta.hw.boards import BOARDS, ZYNQ, bitstream_name, check_board
from vta.hw.config import PRESETS
from vta.hw.registers import ADDRESS_BITS

PAGE = (DOCS / "boards.md").read_text()


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_page_has_the_row(board):
    row = (f"| `{board.name}` | {board.title} | {board.part} | {board.clock_mhz} MHz | 0x{board.control_base:08X} "
           f"| 0x{board.interrupt_base:08X} | {board.dram_bytes >> 20} MiB | `{board.preset}` |")
    assert row in PAGE, f"docs/boards.md, The boards, lacks the row {row}"


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_page_has_the_memory(board):
    rows = [line for line in PAGE.splitlines() if f"`{board.name}`" in line and " cycles | " in line]
    dram = board.dram
    assert [row.split(" | ", 1)[1] for row in rows] == [
        f"{dram.latency_ns} ns: {board.latency} cycles | {dram.commands} | {dram.share:.0%} | "
        f"{dram.burst} beats of {board.config.bus_bytes} bytes |".replace("% |", " % |")]


def test_page_has_no_other_rows():
    rows = [line.split("`")[1] for line in PAGE.splitlines() if " MHz | 0x" in line]
    assert rows == list(BOARDS), "docs/boards.md, The boards, has other rows than hw/boards.py"


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_consistent(board):
    config = board.config
    check_board(board, config)
    assert config.hash == PRESETS["default"].hash, "programs for the default configuration run on every board"
    assert config.name == board.name
    assert board.control_base % (1 << ADDRESS_BITS) == 0 and board.interrupt_base % (1 << 16) == 0
    assert abs(board.control_base - board.interrupt_base) >= 1 << 16
    assert board.dram_bytes & (board.dram_bytes - 1) == 0 and board.dram_bytes <= 1 << config.axi_addr_width
    assert config.max_burst <= board.dram.burst and config.read_outstanding <= board.dram.commands
    if board.family is ZYNQ:
        assert config.max_burst <= 16 and config.axi_data_width == 64, "AXI3 ports of 64 bits"
        assert 0x4000_0000 <= board.control_base < 0x8000_0000, "behind M_AXI_GP0"
    else:
        assert config.axi_data_width == 128
        assert 0xA000_0000 <= board.control_base < 0xB000_0000, "behind M_AXI_HPM0_FPD"


def test_bitstream_names_are_tvms():
    assert bitstream_name(PRESETS["default"]) == "1x16_i8w8a32_15_15_18_17"
    assert bitstream_name(PRESETS["tiny"]) == "1x4_i8w8a32_9_9_11_11"
