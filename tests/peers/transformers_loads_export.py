"""transformers loads what espalier exports, and espalier starts from what transformers saves.

    transformers_loads_export.py ESPALIER_TRIAL

Logits of exported models equal those of espalier within 1e-4, for both activations. The first
validation loss of a training that starts from weights saved by transformers equals the loss that
transformers has on the same windows, for float32, float16 and bfloat16. Skipped (exit 77) where
torch, transformers or safetensors are not installed and there is no environment that has them.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import environment

os.environ["HF_HUB_OFFLINE"] = "1"  # everything is on this disk: no model is looked up elsewhere
environment.run_under("torch", "torch", "transformers", "safetensors")
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)

ESPALIER_TRIAL = os.path.abspath(sys.argv[1])
CONTEXT = 32
CONFIG = """
trainer:
  data: text.txt
  model: {layers: 2, width: 48, heads: 3, context: %d, activation: %s}
  tokens: 20000
  precision: fp32
  %s
parameters: {learning_rate: {value: 3e-3}, batch_size: {value: 8}}
"""


def run(folder, *arguments):
    done = subprocess.run([ESPALIER_TRIAL, *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, "%s\n%s" % (arguments, done.stderr)
    return done.stdout


def write_text(folder):
    words = ["the ", "cat ", "sat ", "on ", "a ", "mat.\n", "dog ", "ran "]
    draw = random.Random(1)
    text = "".join(draw.choice(words) for _ in range(4000))
    (folder / "text.txt").write_text(text)
    return text.encode()


def check_export(folder, activation):
    (folder / "c.yaml").write_text(CONFIG % (CONTEXT, activation, ""))
    run(folder, "train", "c.yaml", "--out", ".", "--device", "cpu")
    out = folder / activation
    out.mkdir()
    run(folder, "export", "c.ckpt", "--out", out / "model.safetensors")
    model = transformers.GPT2LMHeadModel.from_pretrained(out).eval()
    largest = 0.0
    for prompt in ["a", "the cat ", "a dog sat on the mat.\nthe cat ", "x" * CONTEXT]:
        ours = torch.tensor(json.loads(run(folder, "sample", "c.ckpt", "--logits", "--prompt", prompt)))
        with torch.no_grad():
            theirs = model(torch.tensor([list(prompt.encode())])).logits[0, -1]
        assert ours.shape == theirs.shape == (256,)
        largest = max(largest, (ours - theirs).abs().max().item())
    assert largest < 1e-4, "%s: logits differ by %g" % (activation, largest)
    print("export, %s: largest difference of logits %.2g" % (activation, largest))


def validation_loss(model, data):
    """Mean loss over espalier's validation windows: up to 256, evenly spaced in the last tenth."""
    train = len(data) * 9 // 10
    last = data[train:]
    windows = min(256, len(last) - CONTEXT)
    starts = [i * (len(last) - CONTEXT - 1) // (windows - 1) for i in range(windows)]
    rows = torch.tensor([list(last[s:s + CONTEXT + 1]) for s in starts])
    with torch.no_grad():
        logits = model(rows[:, :-1]).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).item()


def check_import(folder, data, dtype, prefix):
    torch.manual_seed(3)
    config = transformers.GPT2Config(vocab_size=256, n_positions=CONTEXT, n_embd=48, n_layer=2, n_head=3,
                                     activation_function="gelu_new", initializer_range=0.3)
    model = transformers.GPT2LMHeadModel(config).to(dtype).eval()
    if prefix:
        path = folder / "saved" / str(dtype)
        model.save_pretrained(path)
        path = path / "model.safetensors"
    else:
        path = folder / "plain.safetensors"
        save_file(model.transformer.state_dict(), path)
    (folder / "i.yaml").write_text(CONFIG % (CONTEXT, "gelu_tanh", "init_from: %s" % path))
    first = run(folder, "train", "i.yaml", "--until", "1", "--json", "--device", "cpu").splitlines()[0]
    ours = json.loads(first)
    assert ours["step"] == 0, ours
    theirs = validation_loss(model.float(), data)
    assert abs(ours["val_loss"] - theirs) < 2e-5, (dtype, ours["val_loss"], theirs)
    print("import, %s: validation loss %.6f, theirs %.6f" % (dtype, ours["val_loss"], theirs))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = write_text(folder)
        check_export(folder, "gelu")
        check_export(folder, "gelu_tanh")
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            check_import(folder, data, dtype, True)
        check_import(folder, data, torch.float32, False)


main()
