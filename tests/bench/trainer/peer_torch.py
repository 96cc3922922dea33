"""The trainer benchmark's comparison: the same transformer in PyTorch, trained step by step.

    peer_torch.py SETTING.json eager|compile fp32|bf16 DATA

GPT-2's block order, learned positions, GELU, tied embeddings, torch's fused attention, AdamW, clip
1.0: the built-in trainer's defaults, written as in nanoGPT. bf16 is torch.autocast. One thread. Prints
a line when it is warmed up. Each line of its input is a number of seconds, for which it measures and
prints one JSON object.
"""
import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.c_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, context, width = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).split(width, dim=2)
        q, k, v = (y.view(batch, context, self.heads, width // self.heads).transpose(1, 2) for y in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(mixed.transpose(1, 2).reshape(batch, context, width))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x))))


class Model(nn.Module):
    def __init__(self, layers, width, heads, context, vocabulary=256):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)
        self.register_buffer("positions", torch.arange(context))

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe(self.positions)
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def main():
    setting, mode, precision, path = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
    torch.set_num_threads(1)
    torch.manual_seed(1)
    with open(path, "rb") as f:
        data = torch.frombuffer(bytearray(f.read()), dtype=torch.uint8).long()
    batch, context = setting["batch"], setting["context"]
    model = Model(setting["layers"], setting["width"], setting["heads"], context)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0}],
                                  lr=1e-3, betas=(0.9, 0.95))
    loss_of = torch.compile(model) if mode == "compile" else model

    def step():
        starts = torch.randint(len(data) - context - 1, (batch,))
        rows = torch.stack([data[s:s + context + 1] for s in starts])
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = loss_of(rows[:, :-1].contiguous(), rows[:, 1:].contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    for _ in range(3):
        loss = step()
    print(json.dumps({"warm": True, "torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        seconds, steps, start = float(line), 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            loss = step()
            steps += 1
        elapsed = time.perf_counter() - start
        print(json.dumps({"tokens_per_second": steps * batch * context / elapsed, "loss": loss}), flush=True)


main()
