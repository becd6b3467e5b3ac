"""hw/config.py: every rule has a message with the value, presets are as documented, JSON round trips."""

import dataclasses
import json

import pytest

from vta.hw.config import ARCHITECTURE_KEYS, PRESETS, Config, ConfigError

# what breaks a rule -> what the message must show: the key, its value and the limit
BROKEN = {
    1: ({"log_uop_buff_size": 16}, "log_uop_buff_size = 16 makes the first word of GEMM and ALU 65 bits long"),
    2: ({"log_wgt_buff_size": 19}, "acc 11 + inp 11 + wgt 11 make the second word of GEMM 66 bits long"),
    3: ({"log_acc_buff_size": 18, "log_inp_buff_size": 14},
        "log_acc_buff_size = 18 gives acc indices of 12 bits and a second word of ALU 68 bits long"),
    4: ({"log_block": 2, "log_inp_buff_size": 8, "log_wgt_buff_size": 15, "log_acc_buff_size": 15},
        "index widths acc 11, inp 6, wgt 11 make a micro-op 33 bits long"),
    8: ({"log_uop_buff_size": 19}, "log_uop_buff_size = 19 makes 2^17 entries: sram_base has 16 bits"),
    9: ({"log_inp_width": 4}, "log_inp_width = 4: only 3 is built"),
}
OTHERS = [
    ({"log_wgt_width": 2}, "log_wgt_width = 2: only 3 is built"),
    ({"log_acc_width": 4}, "log_acc_width = 4: only 5 is built"),
    ({"log_batch": 5}, "log_batch = 5: must be 0 to 4"), ({"log_batch": -1}, "log_batch = -1"),
    ({"log_block": 1}, "log_block = 1: must be 2 to 6"), ({"log_block": 7}, "log_block = 7"),
    ({"log_inp_buff_size": 5}, r"log_inp_buff_size = 5 leaves 2^1 entries: at least 4"),
    ({"axi_data_width": 32}, "axi_data_width = 32: must be one of 64, 128, 256, 512"),
    ({"axi_addr_width": 40}, "axi_addr_width = 40: must be one of 32, 64"),
    ({"axi_ports": 3}, "axi_ports = 3: must be one of 1, 2, 4"),
    ({"max_burst": 24}, "max_burst = 24: must be a power of two from 16 to 256"),
    ({"max_burst": 256, "axi_data_width": 256, "read_ahead_beats": 256},
     "max_burst = 256 beats of 32 bytes exceed the 4096 bytes"),
    ({"read_ids": 32}, "read_ids = 32"), ({"read_outstanding": 0}, "read_outstanding = 0"),
    ({"read_ahead_beats": 15}, "read_ahead_beats = 15: must be from 16 to 4096"),
    ({"read_ahead_beats": 16}, "read_ahead_beats = 16 is less than max_burst = 32"),
    ({"write_outstanding": 512}, "write_outstanding = 512"), ({"fetch_depth": 4}, "fetch_depth = 4"),
    ({"load_queue_depth": 1}, "load_queue_depth = 1"), ({"compute_queue_depth": 3}, "compute_queue_depth = 3"),
    ({"store_queue_depth": 2048}, "store_queue_depth = 2048"), ({"token_depth": 1}, "token_depth = 1"),
    ({"log_block": "4"}, "log_block = '4' must be of type int"),
    ({"log_block": True}, "log_block = True must be of type int"),
    ({"alu_imm_reads_src": 1}, "alu_imm_reads_src = 1 must be of type bool"),
]


def complaint(fields):
    with pytest.raises(ConfigError) as caught:
        Config(**fields)
    return str(caught.value)


@pytest.mark.parametrize("rule", BROKEN)
def test_every_rule_names_key_value_and_limit(rule):
    fields, message = BROKEN[rule]
    said = complaint(fields)
    assert message in said and f"rule {rule})" in said


@pytest.mark.parametrize("fields, message", OTHERS, ids=[message for _, message in OTHERS])
def test_every_limit_names_key_value_and_limit(fields, message):
    assert message in complaint(fields)


def test_the_largest_tiles_have_4096_bytes():
    """Rule 6 follows from the ranges of batch and block."""
    big = Config(log_batch=4, log_block=6, log_acc_buff_size=17, log_inp_buff_size=15)
    assert max(big.tile_bytes.values()) == 4096 and big.tile_bytes == {
        "UOP": 4, "WGT": 4096, "INP": 1024, "ACC": 4096, "OUT": 1024, "ACC_8BIT": 1024, "INP_PAD": 1024,
        "WGT_DIAG": 64}


def test_the_default_is_tvms():
    """The sizes and depths of TVM's default configuration."""
    config = Config()
    assert config == PRESETS["stock"] and config.dimensions == PRESETS["default"].dimensions
    assert (config.batch, config.block, config.lanes) == (1, 16, 16)
    assert config.tile_bytes == {"UOP": 4, "WGT": 256, "INP": 16, "ACC": 64, "OUT": 16, "ACC_8BIT": 16,
                                 "INP_PAD": 16, "WGT_DIAG": 16}
    assert config.depth == {"UOP": 8192, "WGT": 1024, "INP": 2048, "ACC": 2048, "OUT": 2048, "ACC_8BIT": 2048,
                            "INP_PAD": 2048, "WGT_DIAG": 1024}
    assert (config.uop_depth_log, config.inp_depth_log, config.wgt_depth_log, config.acc_depth_log) == (13, 11, 10, 11)
    assert config.bus_bytes == 8


def test_batches_and_blocks():
    """LOG_BLOCK 5: depths of 10, 8 and 10 bits; the batched configuration has the default's depths."""
    wide = Config(log_block=5)
    assert (wide.inp_depth_log, wide.wgt_depth_log, wide.acc_depth_log) == (10, 8, 10)
    batched = Config(log_batch=2, log_block=3, log_inp_buff_size=16, log_wgt_buff_size=16, log_acc_buff_size=18)
    assert batched.tile_bytes == {"UOP": 4, "WGT": 64, "INP": 32, "ACC": 128, "OUT": 32, "ACC_8BIT": 32,
                                  "INP_PAD": 32, "WGT_DIAG": 8}
    assert batched.depth == Config().depth


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_named_and_found(name):
    assert PRESETS[name].name == name and Config.load(name) is PRESETS[name]
    assert Config.load(PRESETS[name]) is PRESETS[name]


@pytest.mark.parametrize("name", PRESETS)
def test_json_goes_both_ways(name, tmp_path):
    """The file has TVM's keys, and the features of a machine that has some; architecture and labels come back, the RTL
    around them is the base's."""
    config, path = PRESETS[name], tmp_path / "vta_config.json"
    path.write_text(config.to_json())
    keys = json.loads(path.read_text())
    assert set(keys) == {"TARGET", "HW_VER", *ARCHITECTURE_KEYS, *(["FEATURES"] if config.features else [])}
    again = Config.load(str(path))
    assert again.architecture == config.architecture and again.to_json() == config.to_json()
    assert again.hash == config.hash and again.name == "vta_config"
    assert Config.from_dict(keys, base=config) == config


def test_hash_names_the_architecture_alone():
    base = Config()
    assert dataclasses.replace(base, max_burst=16, target="pynq", name="x").hash == base.hash
    others = {dataclasses.replace(base, **{field: getattr(base, field) - 1}).hash
              for field in ("log_uop_buff_size", "log_inp_buff_size", "log_wgt_buff_size", "log_acc_buff_size")}
    assert len(others | {base.hash}) == 5 and all(0 <= value < 1 << 32 for value in others)


def test_the_name_makes_no_difference():
    assert Config(name="a") == Config(name="b") and hash(Config(name="a")) == hash(Config(name="b"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().log_block = 5


def test_own_field_names_are_keys_too():
    assert Config.from_dict({"LOG_BLOCK": 5, "axi_data_width": 128}) == Config(log_block=5, axi_data_width=128)


@pytest.mark.parametrize("keys, message", [
    ({"LOG_BLOK": 4}, "unknown key 'LOG_BLOK'; known: LOG_INP_WIDTH, "), ({"name": "x"}, "unknown key 'name'"),
    ({"LOG_BLOCK": 9}, "configuration 'mine': log_block = 9"), ({"LOG_BLOCK": None}, "log_block = None"),
    ([1], "expected an object of keys, got list")])
def test_bad_keys(keys, message):
    with pytest.raises(ConfigError) as caught:
        Config.from_dict(keys, name="mine")
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content, message", [
    ("{", "cannot read configuration"), ("[]", "expected an object of keys, got list"), (b"\xff{}", "cannot read")])
def test_bad_files(content, message, tmp_path):
    path = tmp_path / "bad.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=message):
        Config.load(str(path))


def test_neither_file_nor_preset():
    with pytest.raises(ConfigError, match=r"no configuration 'nowhere.json': neither a file nor a preset \(default, "):
        Config.load("nowhere.json")
    with pytest.raises(ConfigError, match="cannot read configuration"):
        Config.load("/")
