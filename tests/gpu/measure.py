"""The sections of tests/gpu/run: see there. One JSON file, one short table."""

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

PACK = os.path.abspath("build-gpu")
TRIAL = os.path.join(PACK, "bin", "espalier-trial")
OBJECT = os.path.join(PACK, "bin", "espalier-cuda.so")
SECTIONS = ["ops", "sanitizer", "parity", "large", "members", "processes"]

# name: layers, width, heads, context, batch
MODELS = {
    "1M": (4, 128, 4, 128, 128),
    "10M": (6, 384, 6, 256, 64),
    "30M": (9, 512, 8, 256, 64),
    "124M": (12, 768, 12, 1024, 16),
}
MEMBERS = [1, 2, 4, 8, 16]
SECONDS = 5
PARITY_TOLERANCE = {"fp32": 0.005, "bf16": 0.02, "fp16": 0.02}


class Run:
    def __init__(self, dry, out):
        self.dry, self.out = dry, out
        self.folder = tempfile.mkdtemp(prefix="espalier-gpu-")
        self.results = {}
        self.table = []
        self.failed = []

    def start(self, command, **environment):
        if self.dry:
            words = [f"{k}={v}" for k, v in environment.items()] + command
            print(" ".join(words))
            return None
        if sys.executable not in command:
            environment["LD_LIBRARY_PATH"] = os.environ.get("ESPALIER_LIBRARIES", "")
        return subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process, limit=300):
        """(exit status, stdout, stderr)"""
        try:
            out, error = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            out, error = process.communicate()
            return 124, out, error
        return process.returncode, out, error

    def command(self, command, limit=300, **environment):
        process = self.start(command, **environment)
        return (0, "", "") if process is None else self.finish(process, limit)

    def row(self, what, figure, ok=True):
        if self.dry:
            return
        self.table.append((what, figure, ok))
        if not ok:
            self.failed.append(what)
        print(f"{'ok  ' if ok else 'FAIL'}  {what}: {figure}", flush=True)

    def config(self, name, model, precision, data, tokens=10**9, **parameters):
        layers, width, heads, context, batch = MODELS[model]
        path = os.path.join(self.folder, name + ".yaml")
        lines = [
            f"name: {name}",
            "parameters:",
            f"  learning_rate: {{value: {parameters.get('learning_rate', 3e-4)}}}",
            f"  batch_size: {{value: {parameters.get('batch_size', batch)}}}",
            f"  seed: {{value: {parameters.get('seed', 1)}}}",
            "trainer:",
            f"  data: {data}",
            f"  model: {{layers: {layers}, width: {width}, heads: {heads}, context: {context}}}",
            f"  tokens: {tokens}",
            f"  precision: {precision}",
        ]
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        return path


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def text_data():
    return os.path.join(PACK, "data", "text.txt")


def token_data(run):
    """A nanoGPT shard of random GPT-2 tokens: zeros would flatter, real text is not needed."""
    path = os.path.join(run.folder, "train.bin")
    if not os.path.exists(path) and not run.dry:
        import random

        random.seed(1)
        with open(path, "wb") as f:
            for _ in range(64):
                words = [random.randrange(50257) for _ in range(1 << 16)]
                f.write(b"".join(w.to_bytes(2, "little") for w in words))
    return path


def section_ops(run):
    for name in ["ops", "update", "stream", "model"]:
        status, out, error = run.command(
            [os.path.join(PACK, "bin", "test_cuda_" + name)], ESPALIER_CUDA_OBJECT=OBJECT
        )
        passed = re.findall(r"\[  PASSED  \] (\d+) test", out + error)
        words = f"{passed[-1]} claims hold" if passed else last_line(error)
        run.row(f"{name} on the device", words, status == 0)
        run.results["checks_" + name] = {"status": status, "output": (out + error)[-4000:]}


def section_sanitizer(run):
    tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    for kind in ["memcheck", "racecheck", "synccheck", "initcheck"]:
        for name in ["update", "model"]:
            status, out, error = run.command(
                [tool, "--tool", kind, "--error-exitcode", "9", os.path.join(PACK, "bin", "test_cuda_" + name)],
                limit=400,
                ESPALIER_CUDA_OBJECT=OBJECT,
            )
            run.row(f"{kind}, {name}", last_line(out), status == 0)
            run.results[f"{kind}_{name}"] = {"status": status, "output": (out + error)[-4000:]}


def curve(run, config, device):
    command = [TRIAL, "train", config, "--device", device, "--json"]
    status, out, error = run.command(command, limit=400)
    points = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return status, {p["step"]: p["val_loss"] for p in points if p.get("val_loss") is not None}, error


def section_parity(run):
    settings = {"tokens": 500000, "learning_rate": 1e-3, "batch_size": 16}
    reference = curve(run, run.config("parity-cpu", "1M", "fp32", text_data(), **settings), "cpu")
    for precision in ["fp32", "bf16", "fp16"]:
        config = run.config("parity-" + precision, "1M", precision, text_data(), **settings)
        status, points, error = curve(run, config, "cuda")
        if run.dry:
            continue
        common = sorted(set(points) & set(reference[1]))
        off = max((abs(points[s] - reference[1][s]) for s in common), default=float("inf"))
        ok = status == 0 and len(common) > 5 and off <= PARITY_TOLERANCE[precision]
        words = f"off by {off:.4f} nats at most, {len(common)} points" if common else last_line(error)
        run.row(f"{precision} against the CPU's fp32", words, ok)
        run.results["parity_" + precision] = {"cpu": reference[1], "cuda": points, "error": error[-500:]}


def bench_command(config, members):
    return [TRIAL, "bench", config, "--members", str(members), "--seconds", str(SECONDS), "--device", "cuda", "--json"]


def bench(run, what, config, members, key):
    status, out, error = run.command(bench_command(config, members))
    if run.dry:
        return None
    if status != 0:
        run.row(what, last_line(error), False)
        return None
    figures = json.loads(last_line(out))
    run.results[key] = figures
    words = f"{figures['tokens_per_second']:,.0f} tokens/s, {100 * figures['peak_fraction']:.0f} % of the products' peak"
    run.row(what, words)
    return figures["tokens_per_second"]


def peer(run, model, batch, vocabulary, key):
    layers, width, heads, context, _ = MODELS[model]
    numbers = [layers, width, heads, context, batch, vocabulary]
    script = os.path.join("tests", "gpu", "peer.py")
    status, out, error = run.command([sys.executable, script] + [str(n) for n in numbers], limit=400)
    if run.dry:
        return None
    if status != 0:
        run.row(f"PyTorch, {model}", last_line(error), False)
        return None
    figures = json.loads(last_line(out))
    run.results[key] = figures
    run.row(f"PyTorch, {model}, torch.compile, bf16", f"{figures['tokens_per_second']:,.0f} tokens/s")
    return figures["tokens_per_second"]


def section_large(run):
    config = run.config("large", "124M", "bf16", token_data(run), batch_size=MODELS["124M"][4])
    ours = bench(run, "124M, context 1024, bf16", config, 1, "large")
    theirs = peer(run, "124M", MODELS["124M"][4], 50257, "large_torch")
    if ours and theirs:
        run.row("124M: ours against PyTorch", f"{ours / theirs:.2f} ×")


def section_members(run):
    for model in ["1M", "10M", "30M"]:
        config = run.config("members-" + model, model, "bf16", text_data())
        for members in MEMBERS:
            bench(run, f"{model}, {members} members", config, members, f"members_{model}_{members}")
        peer(run, model, MODELS[model][4], 256, "torch_" + model)
    section_mixed(run)


def section_mixed(run):
    """Eight members of four batch sizes and horizons: they join, accumulate and leave apart."""
    configs, tokens = [], 0
    for i in range(8):
        horizon = 20_000_000 * (1 + i % 3)
        tokens += horizon
        configs.append(
            run.config(
                f"mixed-{i}", "1M", "bf16", text_data(), tokens=horizon, batch_size=32 << (i % 4), seed=1 + i
            )
        )
    start = time.monotonic()
    status, out, error = run.command(
        [TRIAL, "train"] + configs + ["--together", "8", "--device", "cuda", "--json"], limit=400
    )
    if run.dry:
        return
    rate = tokens / (time.monotonic() - start)
    run.results["members_mixed"] = {"tokens_per_second": rate, "with": "validation and start-up"}
    run.row("1M, 8 members of mixed batch sizes", f"{rate:,.0f} tokens/s with validation", status == 0)


def section_processes(run):
    for model, counts in [("1M", [2, 4, 8, 16]), ("10M", [4, 8]), ("30M", [4])]:
        config = run.config("processes-" + model, model, "bf16", text_data())
        for count in counts:
            running = [run.start(bench_command(config, 1)) for _ in range(count)]
            if run.dry:
                continue
            ends = [run.finish(process) for process in running]
            if any(status != 0 for status, _, _ in ends):
                run.row(f"{model}, {count} processes", last_line(ends[0][2]), False)
                continue
            rate = sum(json.loads(last_line(out))["tokens_per_second"] for _, out, _ in ends)
            run.results[f"processes_{model}_{count}"] = {"tokens_per_second": rate}
            together = run.results.get(f"members_{model}_{count}")
            times = f"; members in one: {together['tokens_per_second'] / rate:.2f} ×" if together else ""
            run.row(f"{model}, {count} processes side by side", f"{rate:,.0f} tokens/s{times}")


def device_name():
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return ""


def write(run, sections, device):
    day = datetime.date.today().isoformat()
    name = re.sub(r"[^a-z0-9]+", "-", device.split(",")[0].lower()).strip("-")
    path = os.path.join(run.out, f"gpu-{day}-{name}.json")
    old = {}
    if os.path.exists(path):  # sections may be measured in several calls
        with open(path) as f:
            old = json.load(f).get("results", {})
    with open(os.path.join(PACK, "commit")) as f:
        commit = f.read().strip()
    os.makedirs(run.out, exist_ok=True)
    with open(path, "w") as f:
        json.dump(
            {
                "date": day,
                "device": device,
                "commit": commit,
                "command": "tests/gpu/run " + " ".join(sections),
                "results": {**old, **run.results},
            },
            f,
            indent=1,
        )
        f.write("\n")
    return path


def main():
    parser = argparse.ArgumentParser(prog="tests/gpu/run")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--out", default=os.path.join("tests", "bench", "results"))
    options = parser.parse_args()
    wrong = [s for s in options.sections if s not in SECTIONS]
    if wrong:
        parser.error(f"there is no section {wrong[0]}: there are {', '.join(SECTIONS)}")
    sections = options.sections or SECTIONS
    device = device_name()
    if not device and not options.dry_run:
        print("tests/gpu/run: this machine has no GPU that nvidia-smi can see", file=sys.stderr)
        return 2
    run = Run(options.dry_run, options.out)
    try:
        for section in sections:
            globals()["section_" + section](run)
    finally:
        shutil.rmtree(run.folder, ignore_errors=True)
    if options.dry_run:
        return 0
    print(f"\n{device}: {write(run, sections, device)}")
    wide = max(len(what) for what, _, _ in run.table)
    for what, figure, ok in run.table:
        print(f"{'ok  ' if ok else 'FAIL'}  {what:<{wide}}  {figure}")
    print(f"{len(run.table) - len(run.failed)} ok, {len(run.failed)} failed")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
