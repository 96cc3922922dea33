#!/usr/bin/env bash
# Compiles the most used kernels for Hopper. Fails if one of them spills registers or keeps arrays in
# local memory. Exit 77 (skipped): there is no nvcc.
set -euo pipefail
nvcc="${1:-}" root="$2"
if [ -z "$nvcc" ]; then
    echo "no nvcc on this machine"
    exit 77
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
kernels=0 bad=0
for name in activation attention attention_mma_backward attention_mma_forward columns embed loss norm optimize; do
    "$nvcc" -gencode=arch=compute_90a,code=sm_90a -std=c++17 -O3 -I"$root" -I"$root/include" \
        -Xptxas -v -cubin -o "$out/$name.cubin" "$root/kernels/cuda/$name.cu" 2>"$out/$name.log" || {
        cat "$out/$name.log"
        exit 1
    }
    found=$(grep -c "bytes stack frame" "$out/$name.log" || :)
    kernels=$((kernels + found))
    if grep -B2 "bytes stack frame" "$out/$name.log" |
        grep -v " 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" |
        grep -q "bytes stack frame"; then
        echo "$name.cu:"
        grep -B1 "[1-9][0-9]* bytes s" "$out/$name.log"
        bad=1
    fi
done
echo "$kernels kernels, none may touch local memory"
[ "$kernels" -ge 50 ] && [ "$bad" -eq 0 ]
