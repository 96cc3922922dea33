"""The same transformer in PyTorch on a GPU, for comparison, trained as nanoGPT does: with torch.compile,
bf16 autocast, fused AdamW and flash attention.

    peer.py LAYERS WIDTH HEADS CONTEXT BATCH VOCABULARY

Prints one JSON object: tokens per second, the median of five intervals timed with CUDA events.
"""

import json
import statistics
import sys

import torch
from torch import nn
from torch.nn import functional as F

WARM_STEPS, INTERVALS, STEPS = 12, 5, 20


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.c_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, context, width = x.shape
        parts = self.c_attn(self.ln_1(x)).split(width, dim=2)
        q, k, v = (p.view(batch, context, self.heads, -1).transpose(1, 2) for p in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(mixed.transpose(1, 2).reshape(batch, context, width))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x))))


class Model(nn.Module):
    def __init__(self, layers, width, heads, context, vocabulary):
        super().__init__()
        vocabulary = (vocabulary + 127) // 128 * 128  # as nanoGPT pads it
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.register_buffer("positions", torch.arange(context))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe(self.positions)
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def main():
    layers, width, heads, context, batch, vocabulary = (int(a) for a in sys.argv[1:7])
    torch.manual_seed(1)
    torch.set_float32_matmul_precision("high")
    model = Model(layers, width, heads, context, vocabulary).cuda()
    compiled = torch.compile(model)
    groups = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=3e-4, betas=(0.9, 0.95), fused=True)
    data = torch.randint(vocabulary, (8, batch, context + 1), device="cuda")

    def step(i):
        part = data[i % len(data)]
        with torch.autocast("cuda", torch.bfloat16):
            loss = compiled(part[:, :-1], part[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    works = True
    try:
        step(0)
    except Exception as e:  # for example without a compiler for Triton; the result says so
        print(f"torch.compile failed: {e}", file=sys.stderr)
        works, compiled = False, model
        optimizer.zero_grad(set_to_none=True)
    for i in range(WARM_STEPS):
        step(i)
    rates = []
    for _ in range(INTERVALS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for i in range(STEPS):
            step(i)
        end.record()
        end.synchronize()
        rates.append(STEPS * batch * context / (begin.elapsed_time(end) / 1000))
    print(
        json.dumps(
            {
                "tokens_per_second": statistics.median(rates),
                "spread": [min(rates), max(rates)],
                "compiled": works,
                "torch": torch.__version__,
                "device": torch.cuda.get_device_name(),
                "parameters": sum(p.numel() for p in model.parameters()),
            }
        )
    )


if __name__ == "__main__":
    main()
