"""Tilings that were found before: a JSON file, configuration hash -> problem -> tiling and cycles.

Operators ask the file that the environment variable VTA_TILINGS names before they search by themselves;
`vta tune --output` fills it.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

from vta.compiler.ops.operator import OperatorError
from vta.compiler.ops.window import Tiling

VARIABLE = "VTA_TILINGS"


class Tilings:
    """A tilings file, read when opened; OperatorError if it is none."""

    def __init__(self, path):
        self.path, self.known = Path(path), {}
        if self.path.exists():
            try:
                self.known = json.loads(self.path.read_text())
                for entries in self.known.values():
                    for entry in entries.values():
                        Tiling(**entry["tiling"])
            except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise OperatorError(f"{path} is no file of tilings: {type(error).__name__}: {error}") from None

    @staticmethod
    def _problem(window, post):
        return json.dumps([asdict(window), asdict(post)])

    def find(self, window, post, config):
        """The Tiling of this problem on this configuration, or None."""
        entry = self.known.get(f"{config.hash:08x}", {}).get(self._problem(window, post))
        return Tiling(**entry["tiling"]) if entry else None

    def add(self, config, window, post, tiling, figures):
        """Keep a tiling, with figures to go with it, and write the file."""
        entry = {"tiling": asdict(tiling), **figures}
        self.known.setdefault(f"{config.hash:08x}", {})[self._problem(window, post)] = entry
        self.path.write_text(json.dumps(self.known, indent=1, sort_keys=True) + "\n")


def kept(window, post, config):
    """The tiling that the file named by VTA_TILINGS has for this problem, or None."""
    path = os.environ.get(VARIABLE)
    return Tilings(path).find(window, post, config) if path else None
