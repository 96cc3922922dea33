"""The two limits of a GPU's speed, measured with PyTorch, with which training speed is compared: bytes per
second of a copy within its memory, read and written, and bf16 FLOP per second of a large product, both on
random data.

Prints one JSON object: medians of 20, timed with CUDA events."""

import json
import statistics

import torch

REPEATS = 20
EXTENT = 8192
COPY_BYTES = 2 << 30


def seconds_of(work):
    for _ in range(3):
        work()
    times = []
    for _ in range(REPEATS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1000)
    return statistics.median(times)


def main():
    a = torch.randn(EXTENT, EXTENT, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(EXTENT, EXTENT, device="cuda", dtype=torch.bfloat16)
    product = seconds_of(lambda: torch.matmul(a, b))
    source = torch.randn(COPY_BYTES // 4, device="cuda")
    target = torch.empty_like(source)
    copy = seconds_of(lambda: target.copy_(source))
    print(
        json.dumps(
            {
                "copy_bytes_per_second": 2 * COPY_BYTES / copy,
                "product_flops_per_second": 2 * EXTENT**3 / product,
                "torch": torch.__version__,
                "cuda": torch.version.cuda,
                "device": torch.cuda.get_device_name(),
            }
        )
    )


if __name__ == "__main__":
    main()
