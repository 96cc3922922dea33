"""Tests of tests/gpu/measure.py with stub programs in place of the pack's: its behaviour when they fail, hang or
print nonsense, and when it is killed itself."""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TESTS_PASS = 'echo "[  PASSED  ] 3 test(s)."'
BENCH = 'echo \'{"tokens_per_second": 1000.0, "peak_fraction": 0.5}\''


class Measure(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.pack = os.path.join(self.folder.name, "pack")
        self.out = os.path.join(self.folder.name, "out")
        os.makedirs(os.path.join(self.pack, "bin"))
        os.makedirs(os.path.join(self.pack, "data"))
        with open(os.path.join(self.pack, "commit"), "w") as f:
            f.write("abc\n")
        self.program("pack/bin/nvidia-smi", 'echo "Test GPU, 1.0"')
        for name in ["stream", "update", "ops", "model", "group", "scale"]:
            self.program("pack/bin/test_cuda_" + name, TESTS_PASS)
        self.program("pack/bin/espalier-trial", BENCH)

    def tearDown(self):
        self.folder.cleanup()

    def program(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as f:
            f.write("#!/bin/sh\n" + text + "\n")
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def command(self, *arguments):
        return [sys.executable, os.path.join("tests", "gpu", "measure.py"), "--pack", self.pack, "--out", self.out] + list(
            arguments
        )

    def environment(self):
        return {**os.environ, "PATH": os.path.join(self.pack, "bin") + ":" + os.environ["PATH"]}

    def run_it(self, *arguments):
        return subprocess.run(
            self.command(*arguments), cwd=ROOT, env=self.environment(), capture_output=True, text=True, timeout=120
        )

    def result(self):
        names = [n for n in os.listdir(self.out) if n.endswith(".json")]
        self.assertEqual(len(names), 1)
        with open(os.path.join(self.out, names[0])) as f:
            return json.load(f)

    def rows(self):
        return {row["what"]: row for row in self.result()["rows"]}

    def assert_process_ended(self, name):
        with open(os.path.join(self.folder.name, name)) as f:
            pid = int(f.read())
        for _ in range(100):  # it disappears when init has waited for it
            try:
                with open(f"/proc/{pid}/stat") as f:
                    if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                        return
            except FileNotFoundError:
                return
            time.sleep(0.1)
        self.fail(f"process {pid} is still there")

    def test_a_failing_check_is_named_and_the_rest_runs(self):
        self.program(
            "pack/bin/test_cuda_ops",
            'echo "embed in bf16: tensor 1 is off by 0.5" >&2; echo "[  FAILED  ] bf16_agrees" >&2;'
            'echo "[  PASSED  ] 2 test(s)."; exit 1',
        )
        done = self.run_it("ops", "large")
        self.assertEqual(done.returncode, 1, done.stderr)
        rows = self.rows()
        self.assertEqual(rows["ops on the device"]["figure"], "2 tests passed; failed: bf16_agrees")
        self.assertIs(rows["ops on the device"]["ok"], False)
        self.assertIs(rows["scale on the device"]["ok"], True)
        self.assertIn("1,000 tokens/s", rows["124M, context 1024, bf16"]["figure"])
        result = self.result()
        self.assertIn("tensor 1 is off by 0.5", result["results"]["checks_ops"]["output"])
        self.assertEqual(result["not_done"], [])
        self.assertEqual(result["device"], "Test GPU, 1.0")

    def test_nonsense_and_crashes_are_rows(self):
        self.program("pack/bin/espalier-trial", "echo nonsense; kill -SEGV $$")
        self.program("pack/bin/test_cuda_model", "kill -ABRT $$")
        done = self.run_it("members", "ops")
        self.assertEqual(done.returncode, 1, done.stderr)
        rows = self.rows()
        self.assertIs(rows["1M, 1 members"]["ok"], False)
        self.assertIs(rows["model on the device"]["ok"], False)
        self.assertIs(rows["group on the device"]["ok"], True)

    def test_a_hanging_program_is_ended_with_its_children_and_the_rest_is_skipped(self):
        child = os.path.join(self.folder.name, "child")
        self.program("pack/bin/test_cuda_update", f"sleep 1000 & echo $! >{child}; wait")
        done = self.run_it("ops", "large", "--within", "9")
        self.assertEqual(done.returncode, 1, done.stderr)
        rows = self.rows()
        self.assertIs(rows["stream on the device"]["ok"], True)
        self.assertIs(rows["update on the device"]["ok"], False)
        self.assertIn("ended after", rows["update on the device"]["figure"])
        self.assertEqual(rows["large"], {"what": "large", "figure": "no time left", "ok": None})
        self.assert_process_ended("child")

    def test_a_killed_run_keeps_its_results_and_leaves_no_process(self):
        child = os.path.join(self.folder.name, "child")
        self.program("pack/bin/test_cuda_update", f"sleep 1000 & echo $! >{child}; wait")
        run = subprocess.Popen(
            self.command("ops", "members"), cwd=ROOT, env=self.environment(), stdout=subprocess.DEVNULL
        )
        while run.poll() is None and not (os.path.exists(child) and os.path.getsize(child)):
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        self.assertEqual(run.wait(timeout=60), 128 + signal.SIGTERM)
        self.assertEqual(list(self.rows()), ["stream on the device"])
        self.assertEqual(self.result()["not_done"], ["ops", "members"])
        self.assert_process_ended("child")

    def test_without_a_gpu_the_programs_error_is_printed(self):
        self.program("pack/bin/nvidia-smi", "exit 9")
        self.program("pack/bin/espalier-trial", 'echo "device cuda: no usable GPU" >&2; exit 2')
        done = self.run_it("ops")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no GPU to measure: device cuda: no usable GPU", done.stderr)

    def test_calls_are_merged_into_one_table_with_their_ratios(self):
        paths = []
        for name, results in [
            ("a", {"members_1M_4": {"tokens_per_second": 900}}),
            ("b", {"processes_1M_4": {"tokens_per_second": 300}, "members_1M_1": {"tokens_per_second": 50}}),
            ("c", {"torch_1M": {"tokens_per_second": 100}}),
        ]:
            paths.append(os.path.join(self.folder.name, name + ".json"))
            head = {"device": "d", "commit": "c", "command": name, "rows": []}
            with open(paths[-1], "w") as f:
                json.dump({**head, "results": results}, f)
        done = self.run_it("--merge", *paths)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"1M: 4 members relative to 4 processes +3\.00 ×")
        self.assertRegex(done.stdout, r"1M: espalier relative to PyTorch +0\.50 ×")
        self.assertEqual(len(self.result()["results"]), 4)


if __name__ == "__main__":
    unittest.main()
