"""Saved tilings: a JSON file, configuration hash -> problem -> tiling and cycles.

Operators look into the file that the environment variable VTA_TILINGS names before they search; `vta tune --output`
writes it.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

from vta.compiler.ops.checks import OperatorError
from vta.compiler.ops.post import Post
from vta.compiler.ops.window import Tiling, Window
from vta.hw.config import Config

VARIABLE = "VTA_TILINGS"


class TilingsFile:
    """A tilings file, read when opened; OperatorError if its contents are anything else."""

    def __init__(self, path):
        self.path, self.entries = Path(path), {}
        if self.path.exists():
            try:
                self.entries = json.loads(self.path.read_text())
                for problems in self.entries.values():
                    for entry in problems.values():
                        Tiling(**entry["tiling"])
            except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise OperatorError(f"{path} is no file of tilings: {type(error).__name__}: {error}") from None

    @staticmethod
    def _problem(window, post):
        return json.dumps([asdict(window), asdict(post)])

    def find(self, window: Window, post: Post, config: Config) -> Tiling | None:
        """The Tiling of this problem on this configuration, or None."""
        entry = self.entries.get(f"{config.hash:08x}", {}).get(self._problem(window, post))
        return Tiling(**entry["tiling"]) if entry else None

    def add(self, config, window, post, tiling, figures):
        """Add a tiling with its figures (name -> value), and write the file."""
        entry = {"tiling": asdict(tiling), **figures}
        self.entries.setdefault(f"{config.hash:08x}", {})[self._problem(window, post)] = entry
        self.path.write_text(json.dumps(self.entries, indent=1, sort_keys=True) + "\n")


def saved(window, post, config):
    """The tiling that the file named by VTA_TILINGS has for this problem, or None."""
    path = os.environ.get(VARIABLE)
    return TilingsFile(path).find(window, post, config) if path else None
