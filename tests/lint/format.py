"""Every C, header and CUDA file is formatted as .clang-format says (clang-format 14).

    format.py            checks every file; the last line is a tally
    format.py --staged   checks what `git add` has staged; for the pre-commit hook
    format.py --fix      formats every file in place

Other versions of clang-format break lines differently, so only version 14 is used: CLANG_FORMAT,
`clang-format-14`, `clang-format`, or the one in the test environment (tests/peers/environment.py).
Exits with 77 (skipped) when there is none.
"""
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = "version 14."
FOLDERS = ("controller", "trial", "proto", "kernels", "include", "tests")
SUFFIXES = (".c", ".h", ".cu", ".cuh")
SKIPPED = 77
FILES_PER_RUN = 64

sys.path.insert(0, str(ROOT / "tests" / "peers"))
import environment  # noqa: E402


def is_version_14(program):
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.returncode == 0 and VERSION in done.stdout


def find_clang_format():
    candidates = [os.environ.get("CLANG_FORMAT"), shutil.which("clang-format-14"),
                  shutil.which("clang-format"), environment.program("peers", "clang-format")]
    return next((c for c in candidates if c and is_version_14(c)), None)


def sources():
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")
                  if path.suffix in SUFFIXES and path.is_file())


def staged():
    done = subprocess.run(["git", "diff", "--cached", "--name-only", "-z", "--diff-filter=ACMR"],
                          cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in done.stdout.split("\0") if name.endswith(SUFFIXES)]
    return [name for name in names if name.startswith(tuple(f + "/" for f in FOLDERS))]


def staged_faults(program, names):
    """The staged content is checked, which need not be what is in the working tree."""
    for name in names:
        content = subprocess.run(["git", "show", ":" + name], cwd=ROOT, capture_output=True, check=True)
        done = subprocess.run([program, "--assume-filename=" + name], cwd=ROOT, input=content.stdout,
                              capture_output=True, check=True)
        if done.stdout != content.stdout:
            yield name


def tree_faults(program, paths):
    """clang-format names the place of each change that it would make: FILE:LINE:COLUMN: warning."""
    for start in range(0, len(paths), FILES_PER_RUN):
        some = [str(path.relative_to(ROOT)) for path in paths[start:start + FILES_PER_RUN]]
        done = subprocess.run([program, "--dry-run", *some], cwd=ROOT, capture_output=True, text=True,
                              check=True)
        lines = done.stderr.splitlines()
        yield from sorted({line.split(":")[0] for line in lines if "[-Wclang-format-violations]" in line})


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else "--check"
    if mode not in ("--check", "--staged", "--fix") or len(sys.argv) > 2:
        sys.exit(__doc__)
    program = find_clang_format()
    if program is None:
        print("skipped: clang-format 14 is not installed (Debian: apt-get install clang-format-14)")
        sys.exit(SKIPPED)
    paths = sources()
    if mode == "--fix":
        for start in range(0, len(paths), FILES_PER_RUN):
            subprocess.run([program, "-i", *paths[start:start + FILES_PER_RUN]], cwd=ROOT, check=True)
        return
    if mode == "--staged":
        faults = list(staged_faults(program, staged()))
    else:
        faults = list(tree_faults(program, paths))
    for name in faults:
        print("%s: not formatted; run: clang-format-14 -i %s" % (name, name))
    if mode == "--check":
        good = paths and not faults
        print("%d passed, %d failed" % (1 if good else 0, 0 if good else 1))
        sys.exit(0 if good else 1)
    sys.exit(1 if faults else 0)


main()
