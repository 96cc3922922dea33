#!/usr/bin/env python3
"""Python environments with the programs that tests compare with, made from PyPI and kept.

    environment.py NAME          makes the environment unless it exists; prints its interpreter
    environment.py --find NAME   prints its interpreter if it exists

NAME is a row of ENVIRONMENTS below. Exits with 77 (skipped) and says why when there is none.

An environment is a folder of $XDG_CACHE_HOME/espalier/test-environments (or ~/.cache/…), named after
the hash of its requirements file and of the Python it is made with, so all clones of one version share
it and a changed requirements file makes another. It is complete when it holds COMPLETE, which is
written last; whoever makes it holds a lock, and a second run waits for the first. The folders may be
deleted at any time. ESPALIER_PEERS_PYTHON, ESPALIER_SWEEPS_PYTHON and ESPALIER_TORCH_PYTHON name other
interpreters to use.
"""
import fcntl
import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77
COMPLETE = "complete"
RE_EXECUTED = "ESPALIER_PEERS_EXECUTED"

# name: (requirements file, arguments of pip, room that it needs, variable naming another interpreter)
ENVIRONMENTS = {
    "peers": ("requirements.txt", [], 1 << 30, "ESPALIER_PEERS_PYTHON"),
    # W&B's reader of sweep files takes NumPy below 2, unlike the programs above.
    "sweeps": ("requirements-sweeps.txt", [], 1 << 30, "ESPALIER_SWEEPS_PYTHON"),
    # PyPI's torch needs CUDA's libraries even on the CPU, 2.0 GB to download. The file names each package,
    # so --no-deps leaves out Triton, which only compiled models use: 0.3 GB less, 1 GB on disk.
    "torch": ("requirements-torch.txt", ["--no-deps"], 10 << 30, "ESPALIER_TORCH_PYTHON"),
}


class Missing(Exception):
    """There is no such environment, and why."""


def base_python():
    """The interpreter itself, also when this runs in a virtual environment."""
    return os.path.realpath(sys.executable)


def folder_of(name):
    requirements, arguments, _, _ = ENVIRONMENTS[name]
    key = hashlib.sha256()
    for part in ((HERE / requirements).read_bytes(), repr(arguments).encode(), sys.version.encode(),
                 base_python().encode()):
        key.update(len(part).to_bytes(8, "little") + part)
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(cache) / "espalier" / "test-environments" / (name + "-" + key.hexdigest()[:12])


def interpreter(name):
    """The interpreter of environment `name`, or None when it has not been made."""
    other = os.environ.get(ENVIRONMENTS[name][3])
    if other:
        return other
    folder = folder_of(name)
    return str(folder / "bin" / "python") if (folder / COMPLETE).is_file() else None


def program(name, command):
    """A command that environment `name` holds, or None."""
    python = interpreter(name)
    path = pathlib.Path(python).with_name(command) if python else None
    return str(path) if path and os.access(path, os.X_OK) else None


def call(command, limit_s):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=limit_s,
                              check=False)
    except subprocess.TimeoutExpired:
        raise Missing("%s took longer than %d s" % (" ".join(command[:5]), limit_s)) from None
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        raise Missing("%s: %s" % (" ".join(command[:5]), lines[-1] if lines else "failed"))


def fill(name, folder):
    requirements, arguments, _, _ = ENVIRONMENTS[name]
    call([base_python(), "-m", "venv", "--clear", str(folder)], 120)
    call([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input",
          "--disable-pip-version-check", "--no-cache-dir", "--retries", "1", "--timeout", "30", *arguments,
          "-r", str(HERE / requirements)], 900)
    (folder / COMPLETE).touch()


def make(name):
    """The interpreter of environment `name`, which is made when it is missing."""
    python = interpreter(name)
    if python:
        return python
    folder = folder_of(name)
    room = ENVIRONMENTS[name][2]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(folder.with_suffix(".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / COMPLETE).is_file():
                free = shutil.disk_usage(folder.parent).free
                if free < room:
                    raise Missing("%s has %.1f GB free, %.0f are needed" % (folder.parent, free / 1e9,
                                                                            room / 1e9))
                try:
                    fill(name, folder)
                except BaseException:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise
    except OSError as error:
        raise Missing(str(error)) from None
    return interpreter(name)


def run_under(name, *modules):
    """Returns when this interpreter has `modules`; else starts the program again under the environment's
    interpreter, or ends it with 77."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if not missing:
        return
    python = interpreter(name)
    if python and os.environ.get(RE_EXECUTED) != name:
        os.environ[RE_EXECUTED] = name
        os.execv(python, [python] + sys.argv)
    print("skipped: no %s; tests/peers/environment.py %s installs it" % (" and no ".join(missing), name))
    sys.exit(SKIPPED)


def main():
    arguments = sys.argv[1:]
    find = arguments[:1] == ["--find"]
    if find:
        arguments = arguments[1:]
    if len(arguments) != 1 or arguments[0] not in ENVIRONMENTS:
        sys.exit(__doc__)
    try:
        python = interpreter(arguments[0]) if find else make(arguments[0])
    except Missing as reason:
        print("environment.py: %s: %s" % (arguments[0], reason), file=sys.stderr)
        sys.exit(SKIPPED)
    if not python:
        sys.exit(SKIPPED)
    print(python)


if __name__ == "__main__":
    main()
