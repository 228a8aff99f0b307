"""The peers of bench/cuda: PyTorch eager, torch.compile(mode="max-autotune") with CUDA graphs, and cuBLAS alone for the products.

    python3 bench/cuda/peer.py CASES.json OUT.json --seconds 180

Tokens lie outermost, [T, N, D], so that a per-token product is one batched product without a copy: the best formulation that we
found. Weights are random, activations are in the case's type, times are medians between events of the device. Each case
compiles in a process of its own, which is ended when it takes too long.
"""

import argparse
import json
import multiprocessing
import statistics
import time

WARM_UP = 5
REPEATS = 15
CASE_SECONDS = 100


def seconds_of(work, repeats=REPEATS):
    """The median of `repeats` runs, seconds."""
    import torch

    for _ in range(WARM_UP):
        work()
    torch.cuda.synchronize()
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1000)
    return statistics.median(times)


def ceilings():
    """The rate of a large product and the bandwidth of a copy and of a read, in this run on this device."""
    import torch

    found = {"torch": torch.__version__, "device": torch.cuda.get_device_name()}
    n = 8192
    for name, dtype in (("bf16", torch.bfloat16), ("f16", torch.float16)):
        a, b = (torch.randn(n, n, device="cuda", dtype=dtype) for _ in range(2))
        found[f"matrix_{name}"] = 2 * n**3 / seconds_of(lambda: torch.matmul(a, b))
    x = torch.randn(2**29, device="cuda", dtype=torch.float32)
    y = torch.empty_like(x)
    found["copy"] = 2 * x.nbytes / seconds_of(lambda: y.copy_(x))
    found["read"] = x.nbytes / seconds_of(lambda: x.sum())
    return found


def rankmixer(T, D, L, k, rows, dtype):
    """The blocks of bench/workloads/rankmixer_blocks.rmx; gives a function of nothing and its products alone."""
    import torch
    from torch.nn import functional as F

    def make(*shape):
        return torch.randn(*shape, device="cuda", dtype=dtype) * 0.02

    hidden = int(k * D)
    layers = [
        {
            "w1": make(T, D, hidden),
            "b1": make(T, 1, hidden),
            "w2": make(T, hidden, D),
            "b2": make(T, 1, D),
            "norms": [(make(D), make(D)) for _ in range(2)],
        }
        for _ in range(L)
    ]
    x = make(T, rows, D)
    h = make(T, rows, hidden)

    def mixing(x):
        return x.view(T, rows, T, D // T).permute(2, 1, 0, 3).reshape(T, rows, D)

    def forward(x):
        for layer in layers:
            (g1, c1), (g2, c2) = layer["norms"]
            s = F.layer_norm(mixing(x) + x, (D,), g1, c1)
            f = F.gelu(torch.baddbmm(layer["b1"], s, layer["w1"]))
            x = F.layer_norm(torch.baddbmm(layer["b2"], f, layer["w2"]) + s, (D,), g2, c2)
        return x

    def products():
        for layer in layers:
            torch.bmm(x, layer["w1"])
            torch.bmm(h, layer["w2"])

    return forward, x, products


def products(T, D, L, k, rows, dtype):
    """The products of bench/cuda/workloads/products.rmx; alone they are all there is."""
    import torch

    def make(*shape):
        return torch.randn(*shape, device="cuda", dtype=dtype) * 0.02

    hidden = int(k * D)
    layers = [(make(T, D, hidden), make(T, hidden, D)) for _ in range(L)]
    x = make(T, rows, D)
    h = make(T, rows, hidden)

    def forward(x):
        for up, down in layers:
            x = torch.bmm(torch.bmm(x, up), down)
        return x

    def alone():
        for up, down in layers:
            torch.bmm(x, up)
            torch.bmm(h, down)

    return forward, x, alone


def tokenmixer(T, D, L, k, rows, dtype):
    """The dense blocks of bench/cuda/workloads/tokenmixer_blocks.rmx (pre-norm, RMS norms, two SwiGLUs a block, heads = T)."""
    import torch
    from torch.nn import functional as F

    def make(*shape):
        return torch.randn(*shape, device="cuda", dtype=dtype) * 0.02

    hidden = int(k * D)
    layers = [
        [{"in": make(T, D, 2 * hidden), "down": make(T, hidden, D), "norm": make(D)} for _ in range(2)]
        for _ in range(L)
    ]
    x = make(T, rows, D)
    h = make(T, rows, hidden)

    def swap(x):
        return x.view(T, rows, T, D // T).permute(2, 1, 0, 3).reshape(T, rows, D)

    def branch(z, ffn):
        z = z * torch.rsqrt(z.float().square().mean(-1, keepdim=True) + 1e-6).to(dtype) * ffn["norm"]
        gate, up = torch.bmm(z, ffn["in"]).chunk(2, dim=-1)
        return torch.bmm(F.silu(gate) * up, ffn["down"])

    def forward(x):
        for mix_ffn, token_ffn in layers:
            m = swap(x)
            m = m + branch(m, mix_ffn)
            x = x + branch(swap(m), token_ffn)
        return x

    def products():
        for pair in layers:
            for ffn in pair:
                torch.bmm(x, ffn["in"])
                torch.bmm(h, ffn["down"])

    return forward, x, products


def run_case(case, queue):
    import torch

    torch.set_grad_enabled(False)
    dtype = {"bf16": torch.bfloat16, "f16": torch.float16}[case["compute"]]
    build = {"rankmixer": rankmixer, "tokenmixer": tokenmixer, "products": products}[case["kind"]]
    T, D, L, k = (case["set"][name] for name in ("T", "D", "L", "k"))
    forward, x, alone = build(T, D, L, k, case["candidates"], dtype)
    queue.put(("cublas", seconds_of(alone)))
    queue.put(("eager", seconds_of(lambda: forward(x))))
    compiled = torch.compile(forward, mode="max-autotune", fullgraph=True)
    queue.put(("compiled", seconds_of(lambda: compiled(x))))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cases")
    parser.add_argument("out")
    parser.add_argument("--seconds", type=float, default=180)
    args = parser.parse_args()
    end = time.monotonic() + args.seconds
    result = {"rows": {}, "skipped": []}

    def write():
        with open(args.out, "w") as out:
            json.dump(result, out, indent=2)

    result.update(ceilings())
    write()
    spawn = multiprocessing.get_context("spawn")
    with open(args.cases) as file:
        cases = json.load(file)
    for case in cases:
        # A product of 8-bit weights has no peer here: the 16-bit one of the same size is beside it.
        if case["kind"] == "none" or case["name"].endswith("weights"):
            continue
        left = min(CASE_SECONDS, end - time.monotonic())
        if left < 15:
            result["skipped"].append(case["name"])
            continue
        queue = spawn.Queue()
        process = spawn.Process(target=run_case, args=(case, queue))
        process.start()
        process.join(left)
        if process.is_alive():
            process.kill()
            process.join()
            result["skipped"].append(f"{case['name']}: what it had not measured after {left:.0f} s")
        times = {}
        while not queue.empty():
            name, seconds = queue.get()
            times[name] = seconds
        result["rows"][case["name"]] = times
        write()
    write()


if __name__ == "__main__":
    main()
