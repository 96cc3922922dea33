"""The sections of tests/gpu/run, which describes them. Writes one JSON file and one log, and prints a table.

The machine may be available for minutes only and may disappear at any time. So every command has a time limit
and the whole run a deadline, the JSON is written after every row, and a section that fails does not end the
others."""

import argparse
import array
import datetime
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

# name: time limit of the section in seconds
SECTIONS = {
    "probe": 90,
    "ops": 300,
    "parity": 150,
    "large": 90,
    "members": 300,
    "processes": 240,
    "peers": 420,
    "sanitizer": 420,
}

# name: layers, width, heads, context, batch
MODELS = {
    "1M": (4, 128, 4, 128, 128),
    "10M": (6, 384, 6, 256, 64),
    "30M": (9, 512, 8, 256, 64),
    "124M": (12, 768, 12, 1024, 16),
}
MEMBERS = [1, 2, 4, 8, 16]
PROCESSES = [("1M", [1, 2, 4, 8, 16]), ("10M", [4, 8]), ("30M", [4])]
SECONDS = 5
PARITY_TOLERANCE = {"fp32": 0.005, "bf16": 0.02, "fp16": 0.02}
CHECKS = ["stream", "update", "ops", "model", "group", "scale"]

# Least remaining time with which a command is started.
SECONDS_LEAST = 5

# Length of a check's output in the JSON; the log has all of it.
OUTPUT_KEPT = 6000

TIMED_OUT, NO_TIME = 124, 125


class Run:
    def __init__(self, options):
        self.dry, self.out, self.pack = options.dry_run, options.out, os.path.abspath(options.pack)
        self.folder = tempfile.mkdtemp(prefix="espalier-gpu-")
        self.begin = time.monotonic()
        self.deadline = self.begin + options.within
        self.section_end = self.deadline
        self.results, self.table, self.running = {}, [], []
        self.head, self.path, self.log = {}, None, None
        self.ahead = []  # sections that are not done yet

    def program(self, name):
        return os.path.join(self.pack, "bin", name)

    def open(self, head, name):
        """Opens the files for results and log."""
        self.head = head
        if self.dry:
            return
        os.makedirs(self.out, exist_ok=True)
        self.path = os.path.join(self.out, name + ".json")
        if os.path.exists(self.path):  # sections may be measured in several calls
            with open(self.path) as f:
                self.results = json.load(f).get("results", {})
        self.log = open(os.path.join(self.out, name + ".log"), "a")

    def save(self):
        if not self.path:
            return
        rows = [{"what": what, "figure": figure, "ok": ok} for what, figure, ok in self.table]
        part = self.path + ".part"
        with open(part, "w") as f:
            json.dump({**self.head, "not_done": self.ahead, "rows": rows, "results": self.results}, f, indent=1)
            f.write("\n")
        os.replace(part, self.path)

    def left(self):
        return min(self.deadline, self.section_end) - time.monotonic()

    def start(self, command, **environment):
        if self.dry:
            words = [f"{k}={v}" for k, v in environment.items()] + command
            print(" ".join(words))
            return None
        if sys.executable not in command:
            environment["LD_LIBRARY_PATH"] = os.environ.get("ESPALIER_LIBRARIES", "")
        # A signal that arrives while the process is started is handled once the process is in the list of
        # those to end: otherwise it would go on alone.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # so that its children can be ended with it
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, mask),
            )
            process.espalier = (command, environment, time.monotonic())
            self.running.append(process)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return process

    def finish(self, process, limit=120):
        """(exit status, stdout, stderr)"""
        late = False
        try:
            out, error = process.communicate(timeout=max(1, min(limit, self.left())))
        except subprocess.TimeoutExpired:
            late = True
            kill(process)
            try:
                out, error = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                out, error = "", "its output could not be read completely"
        self.running.remove(process)
        command, environment, begin = process.espalier
        seconds = time.monotonic() - begin
        status = TIMED_OUT if late else process.returncode
        if late:
            error += f"\nended after {seconds:.0f} s"
        words = [f"{k}={v}" for k, v in environment.items() if k != "LD_LIBRARY_PATH"] + command
        self.note(f"\n$ {' '.join(words)}\nstatus {status}, {seconds:.1f} s\n{out}\n{error}\n")
        return status, out, error

    def command(self, command, limit=120, **environment):
        if not self.dry and self.left() < SECONDS_LEAST:
            return NO_TIME, "", "no time left"
        try:
            process = self.start(command, **environment)
        except OSError as e:
            return 127, "", f"{command[0]}: {e.strerror}"
        return (0, "", "") if process is None else self.finish(process, limit)

    def note(self, text):
        if self.log:
            self.log.write(text)
            self.log.flush()

    def row(self, what, figure, ok=True):
        """Adds a row to the table. `ok` None: not done, which does not count as a failure."""
        if self.dry:
            return
        self.table.append((what, figure, ok))
        line = f"{mark(ok)}  {what}: {figure}"
        self.note(line + "\n")
        print(f"{time.monotonic() - self.begin:5.0f} s  {line}", flush=True)
        self.save()

    def end(self):
        for process in self.running:
            kill(process)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.log:
            self.log.close()

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

    def text(self):
        return os.path.join(self.pack, "data", "text.txt")

    def tokens(self):
        """A nanoGPT shard of random GPT-2 tokens. Zeros would be trained faster; real text is not needed."""
        path = os.path.join(self.folder, "train.bin")
        if not os.path.exists(path) and not self.dry:
            random.seed(1)
            with open(path, "wb") as f:
                array.array("H", random.choices(range(50257), k=1 << 22)).tofile(f)
        return path


def mark(ok):
    return {True: "ok  ", False: "FAIL", None: "–   "}[ok]


def kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def shortened(text):
    half = OUTPUT_KEPT // 2
    return text if len(text) <= OUTPUT_KEPT else text[:half] + "\n[…]\n" + text[-half:]


def figures_of(run, what, status, out, error):
    """The JSON that a command printed last. If there is none, adds a row with the reason."""
    if status == 0:
        try:
            return json.loads(last_line(out))
        except ValueError:
            error = f"no JSON but '{last_line(out)[:80]}'"
    run.row(what, last_line(error), None if status == NO_TIME else False)
    return None


def section_probe(run):
    """A failure here explains all later ones."""
    for name, command in [
        ("nvidia-smi", ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]),
        ("nvcc", ["nvcc", "--version"]),
        ("libc", ["ldd", "--version"]),
        ("sanitizer", [sanitizer(), "--version"]),
        ("libraries", ["ldd", run.program("espalier-cuda.so")]),
    ]:
        status, out, error = run.command(command, limit=20)
        run.results["machine_" + name] = shortened(out if status == 0 else error).strip()
    config = run.config("probe", "1M", "bf16", run.text())
    command = [run.program("espalier-trial"), "bench", config, "--seconds", "0.5", "--device", "cuda"]
    status, out, error = run.command(command, limit=60)
    run.row("the device opens and trains", last_line(out if status == 0 else error), status == 0)
    status, out, error = run.command([sys.executable, os.path.join("tests", "gpu", "roof.py")], limit=60)
    if run.dry:
        return
    roof = figures_of(run, "limits of the device", status, out, error)
    if roof:
        run.results["roof"] = roof
        copy, product = roof["copy_bytes_per_second"] / 1e12, roof["product_flops_per_second"] / 1e12
        run.row("limits of the device", f"{copy:.2f} TB/s copied, {product:.0f} TFLOP/s in bf16")


def section_ops(run):
    object_path = run.program("espalier-cuda.so")
    for name in CHECKS:
        command = [run.program("test_cuda_" + name)]
        status, out, error = run.command(command, limit=120, ESPALIER_CUDA_OBJECT=object_path)
        text = out + error
        passed = re.findall(r"\[  PASSED  \] (\d+) test", text)
        broken = sorted(set(re.findall(r"\[  FAILED  \] ([a-z]\w+)", text)))
        words = f"{passed[-1]} tests passed" if passed else last_line(error)
        if broken:
            words += "; failed: " + ", ".join(broken)
        elif status != 0 and passed:
            words += f"; ended with status {status}"
        run.row(f"{name} on the device", words, None if status == NO_TIME else status == 0)
        run.results["checks_" + name] = {"status": status, "output": shortened(text)}


def sanitizer():
    return shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"


def section_sanitizer(run):
    for kind, name, tests in [
        ("memcheck", "ops", "*_agrees_with_double"),
        ("racecheck", "ops", "bf16_agrees_with_double"),
        ("synccheck", "ops", "bf16_agrees_with_double"),
        ("initcheck", "ops", "bf16_agrees_with_double"),
        ("racecheck", "ops", "fp32_agrees_with_double"),
        ("memcheck", "update", "*"),
        ("memcheck", "scale", "a_reused_slot*"),
    ]:
        command = [sanitizer(), "--tool", kind, "--print-limit", "20", "--error-exitcode", "9"]
        command += ["--report-api-errors", "no"]  # the backend checks them all, and some tests provoke them
        status, out, error = run.command(
            command + [run.program("test_cuda_" + name)],
            limit=100,
            ESPALIER_CUDA_OBJECT=run.program("espalier-cuda.so"),
            ESPALIER_TEST_FILTER=tests,
        )
        text = out + error
        what, ok = f"{kind}, {name} {tests}", None if status == NO_TIME else status == 0
        summary = re.findall(r"=========.*SUMMARY.*", text)
        words = summary[-1].strip("= ") if summary else last_line(text)
        if status == 127 or "Device not supported" in text:
            words, ok = "not available on this machine", None
        run.row(what, words, ok)
        run.results[f"{kind}_{name}_{tests}"] = {"status": status, "output": shortened(text)}
        if words == "not available on this machine":
            return


def curve_command(run, config, device):
    return [run.program("espalier-trial"), "train", config, "--device", device, "--json"]


def curve_of(out):
    points = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {p["step"]: p["val_loss"] for p in points if p.get("val_loss") is not None}


PARITY = {"tokens": 500000, "learning_rate": 1e-3, "batch_size": 16}


def begin_parity(run):
    """Starts the CPU's training, which takes a minute of one core, during the checks, which are not timed."""
    config = run.config("parity-cpu", "1M", "fp32", run.text(), **PARITY)
    run.reference = run.start(curve_command(run, config, "cpu"))


def section_parity(run):
    if not getattr(run, "reference", None):
        begin_parity(run)
    curves = {}
    for precision in PARITY_TOLERANCE:
        config = run.config("parity-" + precision, "1M", precision, run.text(), **PARITY)
        curves[precision] = run.command(curve_command(run, config, "cuda"), limit=60)
    if run.dry:
        return
    for precision, (status, out, error) in curves.items():  # stored even if there is no reference
        run.results["parity_" + precision] = {"status": status, "curve": curve_of(out), "error": error[-500:]}
    status, out, error = run.finish(run.reference, limit=150)
    reference = curve_of(out)
    if status != 0 or len(reference) < 5:
        run.row("the CPU's curve", last_line(error), False)
        return
    run.results["parity_cpu"] = reference
    for precision, (status, out, error) in curves.items():
        points = curve_of(out)
        common = sorted(set(points) & set(reference))
        off = max((abs(points[s] - reference[s]) for s in common), default=float("inf"))
        ok = status == 0 and len(common) > 5 and off <= PARITY_TOLERANCE[precision]
        words = last_line(error)
        if common:
            words = f"off by {off:.4f} nats at most ({PARITY_TOLERANCE[precision]} allowed), {len(common)} points"
            words += "" if status == 0 else "; " + last_line(error)
        run.row(f"{precision} compared with the CPU's fp32", words, None if status == NO_TIME else ok)


def bench_command(run, config, members, peak=True):
    command = [run.program("espalier-trial"), "bench", config, "--members", str(members)]
    command += ["--seconds", str(SECONDS), "--device", "cuda", "--json"]
    return command + ([] if peak else ["--no-peak"])


def bench(run, what, config, members, key):
    status, out, error = run.command(bench_command(run, config, members), limit=60)
    if run.dry:
        return
    figures = figures_of(run, what, status, out, error)
    if figures:
        run.results[key] = figures
        peak = f"{100 * figures['peak_fraction']:.0f} % of the products' peak"
        run.row(what, f"{figures['tokens_per_second']:,.0f} tokens/s, {peak}")


def section_large(run):
    batch = MODELS["124M"][4]
    config = run.config("large", "124M", "bf16", run.tokens(), batch_size=batch)
    bench(run, "124M, context 1024, bf16", config, 1, "large")


def section_members(run):
    for model in ["1M", "10M", "30M"]:
        config = run.config("members-" + model, model, "bf16", run.text())
        for members in MEMBERS:
            bench(run, f"{model}, {members} members", config, members, f"members_{model}_{members}")
    section_mixed(run)


def section_mixed(run):
    """Eight members of four batch sizes and three horizons, which accumulate and leave at different times."""
    configs, tokens = [], 0
    for i in range(8):
        horizon = 6_000_000 * (1 + i % 3)
        tokens += horizon
        settings = {"tokens": horizon, "batch_size": 32 << (i % 4), "seed": 1 + i}
        configs.append(run.config(f"mixed-{i}", "1M", "bf16", run.text(), **settings))
    command = [run.program("espalier-trial"), "train"] + configs
    begin = time.monotonic()
    status, out, error = run.command(command + ["--together", "8", "--device", "cuda", "--json"], limit=90)
    if run.dry:
        return
    rate = tokens / (time.monotonic() - begin)
    what = "1M, 8 members of mixed batch sizes"
    if status != 0:
        run.row(what, last_line(error), None if status == NO_TIME else False)
        return
    run.results["members_mixed"] = {"tokens_per_second": rate, "with": "validation and start-up"}
    run.row(what, f"{rate:,.0f} tokens/s with validation and start-up")


def section_processes(run):
    for model, counts in PROCESSES:
        config = run.config("processes-" + model, model, "bf16", run.text())
        for count in counts:
            what = f"{model}, {count} processes side by side"
            if not run.dry and run.left() < SECONDS_LEAST + SECONDS:
                run.row(what, "no time left", None)
                continue
            # without measuring the peak, which would slow down the other processes
            running = [run.start(bench_command(run, config, 1, peak=False)) for _ in range(count)]
            if run.dry:
                continue
            ends = [run.finish(process, limit=60) for process in running]
            bad = [end for end in ends if end[0] != 0]
            if bad:
                run.row(what, f"{len(bad)} of {count} failed: {last_line(bad[0][2])}", False)
                continue
            rate = sum(json.loads(last_line(out))["tokens_per_second"] for _, out, _ in ends)
            run.results[f"processes_{model}_{count}"] = {"tokens_per_second": rate}
            run.row(what, f"{rate:,.0f} tokens/s")


def section_peers(run):
    for model in ["124M", "1M", "10M", "30M"]:
        layers, width, heads, context, batch = MODELS[model]
        numbers = [layers, width, heads, context, batch, 50257 if model == "124M" else 256]
        command = [sys.executable, os.path.join("tests", "gpu", "peer.py")] + [str(n) for n in numbers]
        status, out, error = run.command(command, limit=150)
        if run.dry:
            continue
        figures = figures_of(run, f"PyTorch, {model}", status, out, error)
        if figures:
            run.results["torch_" + model] = figures
            how = "torch.compile" if figures["compiled"] else "without torch.compile, which failed"
            run.row(f"PyTorch, {model}, bf16, {how}", f"{figures['tokens_per_second']:,.0f} tokens/s")


def ratios(results):
    """Ratios between the results of one or several calls."""
    rate = {key: value["tokens_per_second"] for key, value in results.items() if "tokens_per_second" in value}
    rows = []
    for key in rate:
        kind, _, rest = key.partition("_")
        if kind == "processes" and "members_" + rest in rate:
            model, count = rest.split("_")
            rows.append((f"{model}: {count} members relative to {count} processes", rate["members_" + rest] / rate[key]))
    for model in MODELS:
        ours = rate.get("large" if model == "124M" else f"members_{model}_1")
        if ours and "torch_" + model in rate:
            rows.append((f"{model}: espalier relative to PyTorch", ours / rate["torch_" + model]))
    return [(what, f"{times:.2f} ×", True) for what, times in rows]


def print_table(table):
    wide = max((len(what) for what, _, _ in table), default=0)
    for what, figure, ok in table:
        print(f"{mark(ok)}  {what:<{wide}}  {figure}")


def device_name():
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        out = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout
        return out.strip().splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return ""


def describe(run, sections, device):
    day = datetime.date.today().isoformat()
    with open(os.path.join(run.pack, "commit")) as f:
        commit = f.read().strip()
    head = {"date": day, "device": device, "commit": commit, "command": "tests/gpu/run " + " ".join(sections)}
    return head, f"gpu-{day}-" + re.sub(r"[^a-z0-9]+", "-", device.split(",")[0].lower()).strip("-")


def merge(paths, out):
    """Merges the files of several calls. Later results replace earlier ones; the first names the machine."""
    whole = {"rows": [], "results": {}}
    for path in paths:
        with open(path) as f:
            part = json.load(f)
        if whole.get("device", part["device"]) != part["device"] or whole.get("commit", part["commit"]) != part["commit"]:
            print(f"tests/gpu/run: {path} is of another device or commit than {paths[0]}", file=sys.stderr)
            return 2
        whole = {
            **part,
            "rows": whole["rows"] + part["rows"],
            "results": {**whole["results"], **part["results"]},
            "command": "; ".join(filter(None, [whole.get("command"), part["command"]])),
        }
    os.makedirs(out, exist_ok=True)
    path = os.path.join(out, os.path.basename(paths[0]))
    with open(path, "w") as f:
        json.dump(whole, f, indent=1)
        f.write("\n")
    print(f"{whole['device']}: {path}")
    print_table([(r["what"], r["figure"], r["ok"]) for r in whole["rows"]] + ratios(whole["results"]))
    return 0


def run_sections(run, sections):
    run.ahead = sections
    if "parity" in sections:
        try:
            begin_parity(run)
        except OSError as e:  # its section tries again, and reports the failure
            run.note(f"the CPU's curve: {e}\n")
    for at, section in enumerate(sections):
        if not run.dry and run.deadline - time.monotonic() < SECONDS_LEAST:
            run.row(section, "no time left", None)
            continue
        run.section_end = time.monotonic() + SECTIONS[section]
        run.note(f"\n# {section}\n")
        try:
            globals()["section_" + section](run)
        except Exception as e:  # the next section runs nevertheless
            run.note(traceback.format_exc())
            run.row(section, f"{type(e).__name__}: {e}", False)
        run.ahead = sections[at + 1 :]
        run.save()


def main():
    parser = argparse.ArgumentParser(prog="tests/gpu/run")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--merge", nargs="+", metavar="JSON")
    parser.add_argument("--within", type=float, default=540, metavar="SECONDS")
    parser.add_argument("--out", default=os.path.join("tests", "bench", "results"))
    parser.add_argument("--pack", default="build-gpu", help=argparse.SUPPRESS)
    options = parser.parse_args()
    wrong = [s for s in options.sections if s not in SECTIONS]
    if wrong:
        parser.error(f"unknown section {wrong[0]}; choose from {', '.join(SECTIONS)}")
    if options.merge:
        return merge(options.merge, options.out)
    sections = options.sections or list(SECTIONS)
    run = Run(options)

    def stop(number, _):
        raise SystemExit(128 + number)  # runs `finally`; the file has the results so far

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        device = device_name()
        if not run.dry:
            run.open(*describe(run, sections, device or "unknown"))
            if not device:
                # nvidia-smi may be missing although there is a GPU, so try to use it
                command = bench_command(run, run.config("probe", "1M", "bf16", run.text()), 1)
                status, _, error = run.command(command, limit=60)
                if status != 0:
                    print(f"tests/gpu/run: no GPU to measure: {last_line(error)}", file=sys.stderr)
                    return 2
        run_sections(run, sections)
    finally:
        run.end()
    if run.dry:
        return 0
    failed = [what for what, _, ok in run.table if ok is False]
    print(f"\n{device}: {run.path}")
    print_table(run.table + ratios(run.results))
    print(f"{sum(ok is True for _, _, ok in run.table)} ok, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
