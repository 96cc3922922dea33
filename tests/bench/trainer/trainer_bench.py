#!/usr/bin/env python3
"""Training speed on one CPU core: espalier's trainer compared with PyTorch, alternately on one machine.

    trainer_bench.py [--trial build/espalier-trial] [--torch PYTHON] [--data FILE] [--rounds N]
                     [--seconds S] [--setting NAME]… [--core N] [--out FILE]

Every round measures each participant for S seconds, one after another: espalier in fp32 and bf16,
torch eager and compiled in both precisions, and the peak of fp32 matrix products. Ratios and fractions
are computed within a round, in which other work on the machine slows all participants equally, and
their median over the rounds is reported. Rates are those of the best round, and the output has all
rounds. --torch is a Python interpreter that has torch (default: this one); without torch only
espalier is measured.

One JSON object on standard output (and in --out):
  ratio            espalier's fp32 tokens/s over torch's in fp32, eager or compiled, whichever is faster
  peak_flops       fp32 matrix products, by espalier in the same run or torch.mm, whichever is faster
  peak_fraction    espalier's fp32 FLOP/s over that peak
  target           1.5 × torch or 85 % of the peak, whichever is less; reached: espalier's share of it
  bf16_over_fp32   of espalier
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SETTINGS = {
    "0.8M": {"layers": 4, "width": 128, "heads": 4, "context": 128, "batch": 16},
    "10.7M": {"layers": 6, "width": 384, "heads": 6, "context": 256, "batch": 8},
}
CONFIG = """trainer:
  data: {data}
  model: {{layers: {layers}, width: {width}, heads: {heads}, context: {context}}}
  tokens: 100000000
  precision: {precision}
parameters: {{learning_rate: {{value: 1e-3}}, batch_size: {{value: {batch}}}}}
"""
PEAK = """import torch, time
torch.set_num_threads(1)
a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
torch.mm(a, b)
products, start = 0, time.perf_counter()
while time.perf_counter() - start < %f:
    torch.mm(a, b)
    products += 1
print(2 * 1024**3 * products / (time.perf_counter() - start))
"""


def environment():
    return dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")


class Pinned:
    """Starts child processes, on one core if that is given."""

    def __init__(self, core):
        self.before = (lambda: os.sched_setaffinity(0, {core})) if core is not None else None

    def run(self, *command):
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment(),
                              preexec_fn=self.before)
        if done.returncode != 0:
            raise SystemExit("%s failed:\n%s" % (command[0], done.stderr))
        return done.stdout

    def start(self, *command):
        return subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                env=environment(), preexec_fn=self.before)


class Peer:
    def __init__(self, pinned, python, setting, mode, precision, data):
        self.name = "%s_%s" % (mode, precision)
        self.process = pinned.start(python, HERE / "peer_torch.py", json.dumps(setting), mode, precision, data)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("torch %s did not start" % self.name)
        self.version = json.loads(line)["torch"]

    def measure(self, seconds):
        self.process.stdin.write("%f\n" % seconds)
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["tokens_per_second"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def has_torch(python):
    return subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0


def measure_ours(arguments, pinned, folder, setting, precision):
    config = pathlib.Path(folder) / ("%s.yaml" % precision)
    config.write_text(CONFIG.format(data=arguments.data, precision=precision, **setting))
    command = [arguments.trial, "bench", config, "--device", "cpu", "--seconds", arguments.seconds, "--json"]
    return json.loads(pinned.run(*command))


def has_bf16(arguments, pinned, folder, setting):
    try:
        measure_ours(argparse.Namespace(**dict(vars(arguments), seconds=0.1)), pinned, folder, setting, "bf16")
        return True
    except SystemExit as failure:
        print("bf16 is not measured: %s" % failure, file=sys.stderr)
        return False


def measure_round(arguments, pinned, folder, setting, peers, rates):
    """Appends one measurement of each participant to its list in `rates`; returns espalier's last result."""
    peak = 0.0
    for precision in ("bf16", "fp32"):
        if precision == "bf16" and precision not in rates:
            continue
        bench = measure_ours(arguments, pinned, folder, setting, precision)
        rates[precision].append(bench["tokens_per_second"])
        if precision == "fp32":
            peak = bench["flops_per_second"] / bench["peak_fraction"]
    for peer in peers:
        rates.setdefault(peer.name, []).append(peer.measure(arguments.seconds))
    if peers:
        peak = max(peak, float(pinned.run(arguments.torch, "-c", PEAK % (arguments.seconds / 4))))
    rates["peak"].append(peak)
    return bench


def median_of(numerators, denominators):
    return statistics.median(a / b for a, b in zip(numerators, denominators))


def measure_setting(name, arguments, pinned):
    setting = SETTINGS[name]
    rates = {"fp32": [], "peak": []}
    with tempfile.TemporaryDirectory() as folder:
        if has_bf16(arguments, pinned, folder, setting):
            rates["bf16"] = []
        precisions = [p for p in ("fp32", "bf16") if p in rates]
        peers = [Peer(pinned, arguments.torch, setting, mode, precision, arguments.data)
                 for precision in precisions for mode in ("eager", "compile")] if has_torch(arguments.torch) else []
        for number in range(arguments.rounds):
            bench = measure_round(arguments, pinned, folder, setting, peers, rates)
            print("%s: round %d of %d done" % (name, number + 1, arguments.rounds), file=sys.stderr)
        for peer in peers:
            peer.end()
    flops = bench["flops_per_token"]
    rounds = {key: [round(rate, 1) for rate in list_] for key, list_ in rates.items() if key != "peak"}
    result = dict(setting, name=name, params=bench["params"], flops_per_token=flops, device=bench["device"],
                  tokens_per_second={key: max(list_) for key, list_ in rounds.items()},
                  peak_flops=max(rates["peak"]),
                  peak_fraction=median_of([rate * flops for rate in rates["fp32"]], rates["peak"]))
    limits = [0.85 * peak / flops for peak in rates["peak"]]
    if peers:
        fastest = max(("eager_fp32", "compile_fp32"), key=lambda key: statistics.median(rates[key]))
        result.update(torch=peers[0].version, fastest=fastest, ratio=median_of(rates["fp32"], rates[fastest]))
        limits = [min(limit, 1.5 * rate) for limit, rate in zip(limits, rates[fastest])]
    result["target"] = {"tokens_per_second": max(limits), "reached": median_of(rates["fp32"], limits)}
    if "bf16" in rates:
        result["bf16_over_fp32"] = median_of(rates["bf16"], rates["fp32"])
    result["rounds"] = rounds
    return result


def commit():
    done = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or None


def find_data():
    shared = ROOT.parent / "shared" / "data" / "tinyshakespeare.txt"
    return str(shared if shared.exists() else ROOT / "trial" / "data.c")


def main():
    parser = argparse.ArgumentParser(description="Training speed on one core against PyTorch.")
    parser.add_argument("--trial", default=str(ROOT / "build" / "espalier-trial"))
    parser.add_argument("--torch", default=sys.executable)
    parser.add_argument("--data", default=find_data())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--setting", action="append", choices=list(SETTINGS))
    parser.add_argument("--core", type=int)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    pinned = Pinned(arguments.core)
    load = os.getloadavg()[0]
    settings = [measure_setting(name, arguments, pinned) for name in arguments.setting or SETTINGS]
    result = {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"),
              "commit": commit(), "system": platform.platform(), "cores": os.cpu_count(),
              "load_before": load, "load_after": os.getloadavg()[0], "rounds": arguments.rounds,
              "seconds": arguments.seconds, "settings": settings}
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.out:
        pathlib.Path(arguments.out).write_text(text + "\n")


main()
