#!/usr/bin/env python3
"""Records PyTorch's training of three small models in double precision.

    python3 make_model_fixture.py DIR      (needs torch; made with 2.2.2)

writes DIR/model-causal.bin, model-masked.bin and model-sgd.bin, with which
tests/unit/model/test_model_torch.c compares the trainer. Little-endian:

    12 int32   magic 0x46505345, version 1, layers, width, heads, context, vocabulary,
               activation (0 erf, 1 tanh), objective (0 causal, 1 masked),
               optimizer (0 AdamW, 1 SGD), sequences, steps
    7 float64  learning rate, beta1, beta2, epsilon, momentum, weight decay, clip
    int32      tokens and targets of each step, [steps, 2, sequences, context]; -1 not counted
    float64    weights before, n of them; then for each step the mean loss and the gradient's norm
               before the clip; the gradient of the first step, n; the weights after, n

Weights are in GPT-2's order, products' weights as [in, out].
"""
import struct
import sys

import torch
from torch import nn
from torch.nn import functional as F

MAGIC = 0x46505345


class Block(nn.Module):
    def __init__(self, width, heads, tanh, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.ln_1 = nn.LayerNorm(width)
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_out = nn.Linear(4 * width, width)
        self.gelu = nn.GELU(approximate="tanh" if tanh else "none")

    def forward(self, x):
        b, t, c = x.shape
        parts = self.c_attn(self.ln_1(x)).split(c, dim=2)
        q, k, v = (p.view(b, t, self.heads, c // self.heads).transpose(1, 2) for p in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.c_proj(y.transpose(1, 2).reshape(b, t, c))
        return x + self.c_out(self.gelu(self.c_fc(self.ln_2(x))))


class Model(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width = shape["width"]
        self.wte = nn.Embedding(shape["vocabulary"], width)
        self.wpe = nn.Embedding(shape["context"], width)
        self.h = nn.ModuleList(
            Block(width, shape["heads"], shape["tanh"], not shape["masked"])
            for _ in range(shape["layers"]))
        self.ln_f = nn.LayerNorm(width)

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe.weight
        for block in self.h:
            x = block(x)
        logits = self.ln_f(x) @ self.wte.weight.T
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)

    def ordered(self):
        """(parameter, to be transposed) in GPT-2's order."""
        yield self.wte.weight, False
        yield self.wpe.weight, False
        for b in self.h:
            for layer in (b.ln_1, b.c_attn, b.c_proj, b.ln_2, b.c_fc, b.c_out):
                yield layer.weight, isinstance(layer, nn.Linear)
                yield layer.bias, False
        yield self.ln_f.weight, False
        yield self.ln_f.bias, False


def pack(tensors):
    flat = torch.cat([(t.T if turn else t).reshape(-1) for t, turn in tensors])
    return flat.detach().numpy().astype("<f8").tobytes()


def draw_batch(shape, generator):
    size = (shape["sequences"], shape["context"])
    tokens = torch.randint(shape["vocabulary"], size, generator=generator)
    targets = torch.randint(shape["vocabulary"], size, generator=generator)
    # Masked models count few positions, causal ones nearly all.
    keep = torch.rand(size, generator=generator) < (0.4 if shape["masked"] else 0.9)
    keep[0, 0] = True
    return tokens, torch.where(keep, targets, torch.full(size, -1))


def record(path, shape, rates):
    generator = torch.Generator().manual_seed(shape["seed"])
    model = Model(shape).double()
    with torch.no_grad():
        for parameter, _ in model.ordered():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(noise * 0.1 + 0.5 if parameter.ndim == 1 else noise * 0.2)
    groups = [
        {"params": [p for p, _ in model.ordered() if p.ndim == 2], "weight_decay": rates["decay"]},
        {"params": [p for p, _ in model.ordered() if p.ndim == 1], "weight_decay": 0.0},
    ]
    if shape["sgd"]:
        optimizer = torch.optim.SGD(groups, lr=rates["rate"], momentum=rates["momentum"])
    else:
        optimizer = torch.optim.AdamW(groups, lr=rates["rate"], eps=rates["epsilon"],
                                      betas=(rates["beta1"], rates["beta2"]))
    out = struct.pack("<12i", MAGIC, 1, shape["layers"], shape["width"], shape["heads"],
                      shape["context"], shape["vocabulary"], shape["tanh"], shape["masked"],
                      shape["sgd"], shape["sequences"], shape["steps"])
    out += struct.pack("<7d", rates["rate"], rates["beta1"], rates["beta2"], rates["epsilon"],
                       rates["momentum"], rates["decay"], rates["clip"])
    batches = [draw_batch(shape, generator) for _ in range(shape["steps"])]
    for tokens, targets in batches:
        out += tokens.numpy().astype("<i4").tobytes() + targets.numpy().astype("<i4").tobytes()
    out += pack(model.ordered())
    steps, gradient = b"", b""
    for tokens, targets in batches:
        optimizer.zero_grad()
        loss = model(tokens, targets)
        loss.backward()
        gradient = gradient or pack((p.grad, turn) for p, turn in model.ordered())
        norm = nn.utils.clip_grad_norm_(model.parameters(), rates["clip"])
        steps += struct.pack("<2d", loss.item(), norm.item())
        optimizer.step()
    with open(path, "wb") as file:
        file.write(out + steps + gradient + pack(model.ordered()))


def main():
    folder = sys.argv[1]
    shape = {"layers": 2, "width": 12, "heads": 2, "context": 7, "vocabulary": 17, "tanh": 0,
             "masked": 0, "sgd": 0, "sequences": 3, "steps": 3, "seed": 1}
    rates = {"rate": 1e-2, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "momentum": 0.9,
             "decay": 0.1, "clip": 1.0}
    torch.set_num_threads(1)
    record(f"{folder}/model-causal.bin", shape, rates)
    record(f"{folder}/model-masked.bin", {**shape, "tanh": 1, "masked": 1, "seed": 2, "heads": 3},
           {**rates, "epsilon": 1e-6, "clip": 0.5})
    record(f"{folder}/model-sgd.bin", {**shape, "sgd": 1, "seed": 3}, {**rates, "rate": 0.1})


if __name__ == "__main__":
    main()
