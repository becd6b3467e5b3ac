"""Many random programs: generate, run, compare; where devices differ, find the case, shrink it and save it."""

import logging
from dataclasses import dataclass
from pathlib import Path

from vta.fuzz.case import Case
from vta.fuzz.compare import open_pair
from vta.fuzz.coverage import Coverage
from vta.fuzz.generator import generate
from vta.fuzz.shrink import Shrinker

log = logging.getLogger(__name__)

DUMP_TILES = 4_000       # dumps store about as many tiles as all programs between two of them move


@dataclass(frozen=True)
class Failure:
    """A case on which the devices differ: the shrunk `case` and its `differences`."""

    seed: int
    case: Case
    differences: tuple[str, ...]
    path: Path | None

    def __str__(self):
        return f"seed {self.seed}: {self.differences[0]}"


class Campaign:
    """Random programs for one configuration, seeds `first` and up.

    `pair` opens a fresh Pair. Scratchpads are compared after every `period` programs: after each where they are small.
    `folder`: where failures are written as assembly, or None.
    """

    def __init__(self, config, *, first=0, pair=None, folder=None, shrink_seconds=120):
        self.config, self.first, self.coverage = config, first, Coverage()
        self._open = pair or (lambda: open_pair(config))
        self._folder, self._shrink_seconds = folder, shrink_seconds
        tiles = 6 * config.depth["OUT"] + config.depth["INP"] + config.depth["WGT"] + config.depth["UOP"]
        self.period = max(1, tiles // DUMP_TILES)
        self._pair = None
        self.cycles = 0

    def run(self, count, progress=None):
        """Run `count` programs; returns the first Failure, or None. `progress(n)` is called after each."""
        since = []
        for n in range(count):
            seed = self.first + n
            case = generate(self.config, seed)
            self.coverage.add(case)
            since.append(case)
            dump = len(since) >= self.period or n == count - 1
            differences = self._run(case, dump)
            if differences:
                return self._failure(since, differences)
            if dump:
                since = []
            if progress:
                progress(n + 1)
        return None

    def close(self):
        if self._pair is not None:
            self._pair.close()
            self._pair = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _run(self, case, dump=True, *, anew=False):
        """The differences that a case shows; with `anew`, from the state of a fresh pair."""
        if self._pair is not None and anew and not self._pair.recover():
            self.close()
        if self._pair is None:
            self._pair = self._open()
            self._pair.recover()           # a failure here shows in the first case as well
        differences, cycles = self._pair.run(case, dump=dump, seed=case.seed)
        self.cycles += cycles
        return tuple(differences)

    def _failure(self, since, differences):
        """Find which of the cases since the last dump fails, alone if possible, and shrink it."""
        for case in since:
            alone = self._run(case, anew=True)
            if alone:
                log.info("seed %s: %s; making it small", case.seed, alone[0])
                shrinker = Shrinker(lambda other: bool(self._run(other, anew=True)), self._shrink_seconds)
                small = shrinker.shrink(case)
                return self._keep(case.seed, small, self._run(small, anew=True) or alone)
        seeds = f"seeds {since[0].seed} to {since[-1].seed}, run one after another"
        return self._keep(since[-1].seed, since[-1], (f"{differences[0]} (only by {seeds})", *differences[1:]))

    def _keep(self, seed, case, differences):
        path = None
        if self._folder is not None:
            path = Path(self._folder) / f"{self.config.name}-{seed}.s"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"# {words}\n" for words in differences) + case.text())
        return Failure(seed, case, differences, path)
