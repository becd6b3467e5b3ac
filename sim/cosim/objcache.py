"""Compiler wrapper for Verilator's makefiles: its runtime library is compiled once for all designs.

Run as `python objcache.py FOLDER g++ ... -c -o X.o .../verilated.cpp`. The objects of files in Verilator's
include folder are kept in FOLDER under a hash of the command; FOLDER is named for the tools' versions. The
macros of one design (AXI_*) have no meaning there. Other files are compiled normally.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main(folder, command):
    source = Path(command[-1])
    if not (source.name.startswith("verilated") and source.parent.name == "include" and "-o" in command):
        return subprocess.call(command)
    target = command[command.index("-o") + 1]
    key = hashlib.sha256("\0".join(word for word in command if not word.startswith("-DAXI_")).encode())
    kept = Path(folder) / f"{source.stem}-{key.hexdigest()[:16]}.o"
    if not kept.exists():
        code = subprocess.call(command)
        if code:
            return code
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(Path(target).read_bytes())
        os.replace(file.name, kept)
    shutil.copyfile(kept, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
