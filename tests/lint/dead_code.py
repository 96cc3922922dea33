"""dead_code.py BUILD: every public function and variable of the programs is used outside its file.

Reads the symbols of BUILD's object files, those that its compile_commands.json names. A public symbol that no
other file of the programs uses is a fault: it is dead, or should be static. Symbols that only tests use are
faults too, unless they are listed in test_only.txt; so is a line of that list which is no longer true.
Functions that use each other and are used by nothing else are not found.
Prints each fault; the last line is a tally. Exits with 77 (skipped) without nm.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIST = pathlib.Path(__file__).with_name("test_only.txt")
PREFIX = "esp_"
SKIPPED = 77

# Symbols that the programs look up by name.
DLSYM = {"esp_kernels_open"}
SYMBOL = re.compile(r"^(?:[0-9a-f]+)? *([A-Za-z]) (\S+)$")


def object_files(build):
    """(object file, whether it is part of the programs) for each source. The emulator is for tests."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.Path(entry["directory"], entry["file"]).resolve()
        inside = source.relative_to(ROOT).as_posix() if ROOT in source.parents else ""
        yield (pathlib.Path(entry["directory"], entry["output"]),
               inside.startswith(("controller/", "trial/", "proto/", "kernels/cpu/")))
    for source in (ROOT / "kernels/cuda").glob("*.cu"):  # not in the list; absent without nvcc
        for path in (build / "kernels/cuda").glob(source.stem + "*.o"):
            yield path, True


def symbols(path):
    """The symbols that the object file defines for others, and those that it uses of others."""
    done = subprocess.run(["nm", "--no-sort", "--extern-only", str(path)], capture_output=True, text=True,
                          check=True)
    defined, used = set(), set()
    for line in done.stdout.splitlines():
        match = SYMBOL.match(line)
        if match and match.group(2).startswith(PREFIX):
            (used if match.group(1) in "Uuvw" else defined).add(match.group(2))
    return defined, used


def allowed():
    """The listed symbols, and those among them that exist only where the CUDA backend is built."""
    lines = LIST.read_text(encoding="utf-8").splitlines() if LIST.exists() else []
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return {row[0] for row in rows}, {row[0] for row in rows if row[1:] == ["cuda"]}


def faults(build):
    definitions, used, used_in_tests = {}, set(), set()
    for path, in_programs in object_files(build):
        if not path.is_file():
            yield "%s is not built: run ninja first" % path
            return
        defined, uses = symbols(path)
        (used if in_programs else used_in_tests).update(uses)
        if in_programs:
            definitions.update(dict.fromkeys(defined, path.name))
    listed, cuda = allowed()
    for name, where in sorted(definitions.items()):
        if name in used:
            if name in listed:
                yield "%s is used by the programs now: take it out of %s" % (name, LIST.name)
        elif name in DLSYM:
            continue
        elif name not in used_in_tests:
            yield "%s (%s) is used nowhere outside its file: remove it or make it static" % (name, where)
        elif name not in listed:
            yield "%s (%s) is used by tests only: remove it, or list it in %s" % (name, where, LIST.name)
    without = set() if any((build / "kernels/cuda").glob("*.o")) else cuda
    for name in sorted(listed - set(definitions) - without):
        yield "%s in %s does not exist" % (name, LIST.name)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if shutil.which("nm") is None:
        print("skipped: nm is not installed")
        sys.exit(SKIPPED)
    found = list(faults(pathlib.Path(sys.argv[1]).resolve()))
    for fault in found:
        print(fault)
    print("%d passed, %d failed" % (0 if found else 1, 1 if found else 0))
    sys.exit(1 if found else 0)


main()
