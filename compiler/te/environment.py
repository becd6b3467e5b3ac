"""The environment: a configuration under the names that schedules use. `env = vta.get_env()`."""

from dataclasses import dataclass

from vta.hw.config import Config

# scope of a stage -> the memory it lives in
SCOPES = {"local.inp_buffer": "INP", "local.wgt_buffer": "WGT", "local.acc_buffer": "ACC"}


@dataclass(frozen=True)
class Intrinsic:
    """The argument of `tensorize`: one GEMM step of `config`."""

    name: str
    config: Config


class Environment:
    """Shapes of the tensor core, data types, memory scopes and pragmas of `config`, under TVM's names."""

    inp_scope, wgt_scope, acc_scope = SCOPES
    inp_dtype = wgt_dtype = out_dtype = "int8"
    acc_dtype = "int32"
    dma_copy, alu = "dma_copy", "alu"

    def __init__(self, config: Config | str = "default"):
        self.config = config = Config.load(config)
        self.TARGET = config.target
        self.BATCH, self.BLOCK_IN, self.BLOCK_OUT = config.batch, config.block, config.block
        self.INP_WIDTH = self.OUT_WIDTH = 1 << config.log_inp_width
        self.WGT_WIDTH, self.ACC_WIDTH = 1 << config.log_wgt_width, 1 << config.log_acc_width
        for name in ("inp", "wgt", "acc"):
            setattr(self, f"{name.upper()}_BUFF_SIZE", 1 << getattr(config, f"log_{name}_buff_size"))
        self.gemm = Intrinsic("gemm", config)


def get_env(config: Config | str = "default") -> Environment:
    """The environment of a configuration: a Config, the name of a preset, or the path of a `vta_config.json`."""
    return Environment(config)
