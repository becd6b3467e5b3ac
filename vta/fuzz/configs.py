"""The configurations that random programs run on: all presets, and small ones for what no preset covers."""

from vta.hw.config import PRESETS, Config
from vta.hw.features import FEATURES

EVERYTHING = {"features": frozenset(FEATURES)}
# overrides of the preset "tiny": name -> fields
VARIANTS = {
    "batch2": dict(log_batch=1, log_inp_buff_size=10, log_acc_buff_size=12),
    "batch4": dict(log_batch=2, log_inp_buff_size=11, log_acc_buff_size=12, alu_imm_reads_src=True),
    "block8": dict(log_block=3, log_inp_buff_size=12, log_wgt_buff_size=12, log_acc_buff_size=12, axi_ports=2),
    "bus128": dict(axi_data_width=128, axi_ports=4, read_ids=1, max_burst=32, read_ahead_beats=32),
    "bus256": dict(axi_data_width=256, axi_addr_width=64, read_outstanding=1, write_outstanding=1),
    "bus512": dict(log_block=3, axi_data_width=512, axi_ports=2, read_ids=16, log_inp_buff_size=11,
                   log_wgt_buff_size=13, log_acc_buff_size=11, token_depth=4),
    "deep_inputs": dict(log_inp_buff_size=11, log_acc_buff_size=10, load_queue_depth=2, compute_queue_depth=2,
                        store_queue_depth=2, read_outstanding=16),
}
VARIANTS |= {f"only_{name}": {"features": frozenset([name])} for name in FEATURES}
VARIANTS |= {
    "features": EVERYTHING,
    "features_batch2": EVERYTHING | VARIANTS["batch2"],
    "features_reads_src": EVERYTHING | VARIANTS["batch4"],
    "features_block8": EVERYTHING | VARIANTS["block8"] | {"read_ids": 1},
    "features_bus512": EVERYTHING | VARIANTS["bus512"],
    "features_deep_inputs": EVERYTHING | VARIANTS["deep_inputs"],
}


MIN_TOKEN_DEPTH = 4     # in shallower queues the sequencer often finds no token that may be pushed


def fuzz_configs(names):
    """The Configs of `names`: presets, variants, `vta_config.json` files, or "all" for every preset and variant.

    ValueError for one whose token queues are too shallow for random programs.
    """
    known = PRESETS | {name: Config.from_dict(fields, PRESETS["tiny"], name) for name, fields in VARIANTS.items()}
    chosen = [known if name == "all" else {name: known.get(name)} for name in names]
    configs = [config or Config.load(name) for group in chosen for name, config in group.items()]
    for config in configs:
        if config.token_depth < MIN_TOKEN_DEPTH:
            raise ValueError(f"configuration {config.name!r}: token_depth = {config.token_depth}: random programs "
                             f"need {MIN_TOKEN_DEPTH} at least")
    return configs
