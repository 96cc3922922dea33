"""Who may include whom (DESIGN: layout), held against every #include in the tree.

ARCHITECTURE.md tells the same in words. Prints each breach; the last line is a tally.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A header of somebody else's: only these folders may include it.
OWNED = {
    "zmq.h": ("proto/transport/",),
    "sqlite3.h": ("controller/store/",),
    "libfyaml.h": ("controller/study/", "trial/config/"),
    "cmocka.h": ("tests/",),
}
OWNED_PATTERNS = [
    (re.compile(r"^(espalier\.pb-c\.h|protobuf-c/.*)$"), ("proto/",)),
    (re.compile(r"^(cuda|cublas|curand|cudnn|nv)[\w/]*\.h(pp)?$"), ("kernels/cuda/", "kernels/emu/")),
]
# What may be included beyond include/espalier, one's own folder and the C library.
PURE = ("controller/core/", "controller/money/", "controller/search/", "controller/stop/")
PURE_MAY = {
    "controller/core/": ("controller/core/", "controller/money/", "controller/search/", "controller/stop/"),
    "controller/money/": ("controller/money/", "controller/search/", "controller/stop/"),
    "controller/search/": ("controller/search/",),
    "controller/stop/": ("controller/stop/", "controller/search/"),
}
# Beside include/ and its own folder: a replay reads ledgers and never writes one.
MAY = {
    "controller/replay/": ("controller/search/", "controller/stop/", "controller/study/",
                           "controller/store/reader.h"),
}
PURE_LIBRARIES = {"cblas.h", "lapacke.h", "lapack.h", "nlopt.h", "Random123/philox.h"}
# No clock, I/O, threads or libc randomness in the decision core (stdio only for snprintf's absence).
PURE_NEVER = {"espalier/clock.h", "time.h", "sys/time.h", "pthread.h", "threads.h", "unistd.h", "fcntl.h", "signal.h",
              "sys/socket.h", "poll.h", "stdio.h", "zmq.h", "sqlite3.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def folder_of(path, name):
    """The tree's file that `name` means when `path` includes it, relative to the root, or None."""
    for base in (path.parent, ROOT, ROOT / "controller", ROOT / "include"):
        candidate = (base / name).resolve()
        if candidate.is_file() and ROOT in candidate.parents:
            return candidate.relative_to(ROOT).as_posix()
    return None


def breaches(path):
    here = path.relative_to(ROOT).as_posix()
    in_tests = here.startswith("tests/")
    for _, name in INCLUDE.findall(path.read_text(errors="replace")):
        allowed = OWNED.get(name)
        for pattern, folders in OWNED_PATTERNS:
            if pattern.match(name):
                allowed = folders
        if allowed and not in_tests and not here.startswith(allowed):
            yield "%s includes %s, which only %s may" % (here, name, ", ".join(allowed))
        target = folder_of(path, name)
        if in_tests:
            continue
        if here.startswith("trial/") and target and target.startswith("controller/"):
            yield "%s (trial) includes %s (controller)" % (here, target)
        if here.startswith("kernels/") and target and not target.startswith(("kernels/", "include/")):
            yield "%s (kernels) includes %s" % (here, target)
        if here.startswith("controller/") and target and target.startswith(("trial/", "kernels/")):
            yield "%s (controller) includes %s" % (here, target)
        for room, may in MAY.items():
            if here.startswith(room) and target and not target.startswith(may + (room, "include/")):
                yield "%s includes %s, which its room may not use" % (here, target)
        for pure in PURE:
            if not here.startswith(pure):
                continue
            if target and not target.startswith(PURE_MAY[pure] + ("include/",)):
                yield "%s (pure) includes %s" % (here, target)
            if name in PURE_NEVER:
                yield "%s (pure) includes %s" % (here, name)


def main():
    sources = [path for folder in ("controller", "trial", "proto", "kernels", "include", "tests")
               for pattern in ("*.c", "*.h", "*.cu", "*.cuh") for path in (ROOT / folder).rglob(pattern)]
    found = [text for path in sorted(sources) for text in breaches(path)]
    for text in found:
        print(text)
    print("%d passed, %d failed" % (1 if sources and not found else 0, 1 if found or not sources else 0))
    sys.exit(1 if found or not sources else 0)


main()
