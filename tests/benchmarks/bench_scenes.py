"""Scenes: images rendered per second, the best and the median of a few rounds.

Run it as `python tests/benchmarks/bench_scenes.py` on a quiet machine; `--help` lists the options.
"""

import argparse
import resource
import statistics
import time

import torch

from resattn.data.scenes import render


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=5000, help="scenes per round (default %(default)s)")
    parser.add_argument("--size", type=int, default=32, help="side in pixels (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="default %(default)s")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    render("train", 10, options.size)  # the noise tile is made once
    rates = []
    for seed in range(options.rounds):
        start = time.perf_counter()
        render("train", options.n, options.size, seed)
        rates.append(options.n / (time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{options.n} scenes of {options.size}×{options.size}, {options.threads} threads: best {max(rates):,.0f}, "
        f"median {statistics.median(rates):,.0f} images/s; peak memory of the process {peak:,.0f} MiB"
    )


if __name__ == "__main__":
    main()
