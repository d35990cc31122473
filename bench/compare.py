"""Runs `clr bench` and the same work in PyTorch by turns, and prints a table of ratios.

    make compare-torch                    # all rows, three rounds, some minutes
    make compare-torch ROWS=simclr,embed  # some of them; --list names them

Each figure is of a process of its own. In the first round PyTorch runs in every
layout (and for embeddings eager and compiled); the fastest is kept for the other
rounds. A ratio is the median over rounds of clr's clips a second over PyTorch's
in the same round, and its memory the median of the same runs.

PyTorch gives large blocks back to the system and takes them anew, page by page,
at every step. With --malloc keep (make compare-torch MALLOC=keep) glibc keeps
them, which on two cores makes PyTorch's fp32 training faster by a fifth or more
and its memory larger.

Needs the python3 that PyTorch is installed for, and nothing else.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LAYOUTS = [["--layout", "contiguous"], ["--layout", "channels_last"]]
HOW = [["--how", "eager"], ["--how", "jit"]]


def row(name, what, work, ours, theirs, steps):
    """ours and theirs: what either is told beside the sizes; steps of each."""
    return dict(name=name, what=what, work=work, ours=ours, theirs=theirs, steps=steps)


def sizes(mels, frames, batch=64):
    return ["--batch", str(batch), "--mels", str(mels), "--frames", str(frames)]


def resnet(depth):
    return ["--encoder", f"resnet{depth}"], ["--depth", str(depth)]


def rows():
    def one(name, what, work, depth, mels, frames, steps, batch=64, method=None, dtype=None):
        ours, theirs = resnet(depth)
        both = sizes(mels, frames, batch) + (["--method", method] if method else [])
        return row(name, what, work, ours + both, theirs + both + (["--dtype", dtype] if dtype else []), steps)

    return [
        one("simclr", "ResNet-18 SimCLR, 64×96, batch 64, against fp32", "train", 18, 64, 96, (6, 5)),
        one("simclr-bf16", "the same, against bf16 autocast", "train", 18, 64, 96, (6, 5), dtype="bf16"),
        one("simclr-128", "ResNet-18 SimCLR, 128×128, batch 64", "train", 18, 128, 128, (4, 3)),
        one("simclr-200", "ResNet-18 SimCLR, 80×200, batch 64", "train", 18, 80, 200, (4, 3)),
        one("resnet50", "ResNet-50 SimCLR, 64×96, batch 64", "train", 50, 64, 96, (4, 3)),
        one("moco", "ResNet-18 MoCo, 64×96, batch 64", "train", 18, 64, 96, (6, 5), method="moco"),
        one("moco-bf16", "the same, against bf16 autocast", "train", 18, 64, 96, (6, 5), method="moco", dtype="bf16"),
        one("embed", "ResNet-18 embedding, 64×96, batch 64", "embed", 18, 64, 96, (20, 15)),
        one("embed-128", "the same, batch 128, as clr embed has it", "embed", 18, 64, 96, (10, 8), batch=128),
        one("embed-256", "the same, batch 256", "embed", 18, 64, 96, (6, 5), batch=256),
        one("embed-1", "ResNet-18 embedding, 64×96, batch 1", "embed", 18, 64, 96, (60, 60), batch=1),
    ]


def run(command, env):
    p = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if p.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {p.returncode}\n{p.stderr}")
    if p.stderr:
        print(p.stderr.strip(), file=sys.stderr)
    return json.loads(p.stdout)


def threads():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class Bench:
    def __init__(self, clr, malloc):
        self.clr = clr
        self.env = dict(os.environ, GOMAXPROCS=str(threads()))
        # What an OpenBLAS was told elsewhere would slow PyTorch down.
        self.torch_env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        self.torch_env.update(OMP_NUM_THREADS=str(threads()), MKL_NUM_THREADS=str(threads()))
        if malloc == "keep":
            self.torch_env.update(MALLOC_MMAP_THRESHOLD_="4000000000", MALLOC_TRIM_THRESHOLD_="8000000000", MALLOC_TOP_PAD_="500000000")

    def ours(self, r):
        return run([self.clr, "bench", r["work"], *r["ours"], "--steps", str(r["steps"][0]), "--json"], self.env)

    def theirs(self, r, how):
        script = os.path.join(HERE, "torch_bench.py")
        return run([sys.executable, script, r["work"], *r["theirs"], "--steps", str(r["steps"][1]), "--threads", str(threads()), *how], self.torch_env)

    def measure(self, r, rounds):
        """clr's results and PyTorch's, a pair a round, and how PyTorch was fastest."""
        ways = [list(itertools.chain(*w)) for w in (itertools.product(LAYOUTS, HOW) if r["work"] == "embed" else itertools.product(LAYOUTS))]
        pairs = []
        for i in range(rounds):
            a = self.ours(r)
            if i == 0:
                found = [(self.theirs(r, w), w) for w in ways]
                b, best = max(found, key=lambda f: f[0]["clips_per_s"])
            else:
                b = self.theirs(r, best)
            pairs.append((a, b))
            print(f"{r['name']} {i + 1}/{rounds}: clr {a['clips_per_s']:.1f}, PyTorch {b['clips_per_s']:.1f} clips/s ({' '.join(best[1::2])})", file=sys.stderr, flush=True)
        return pairs, " ".join(w.replace("_", "-") for w in best[1::2])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--clr", default="./clr", help="the binary")
    p.add_argument("--rows", default="", help="names, separated by commas; all without")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--malloc", choices=["stock", "keep"], default="stock", help="how PyTorch's memory is managed")
    p.add_argument("--list", action="store_true", help="name the rows")
    a = p.parse_args()
    known = {r["name"]: r for r in rows()}
    if a.list:
        for r in known.values():
            print(f"{r['name']:12} {r['what']}")
        return
    names = [n for n in a.rows.split(",") if n] or list(known)
    for n in names:
        if n not in known:
            sys.exit(f"there is no row {n!r}; one of {', '.join(known)}")
    if a.rounds < 1:
        sys.exit(f"--rounds is {a.rounds}, it must be 1 or more")

    b = Bench(os.path.abspath(a.clr), a.malloc)
    lines, noisy, first = [], 0, None
    for n in names:
        pairs, how = b.measure(known[n], a.rounds)
        first = first or pairs[0]
        ratios = sorted(o["clips_per_s"] / t["clips_per_s"] for o, t in pairs)
        middle = lambda side, key: statistics.median(pair[side][key] for pair in pairs)
        noisy += sum(o["quiet"] is False for o, _ in pairs)
        ours, theirs = middle(0, "peak_rss_mb") if first[0]["peak_rss_mb"] else None, middle(1, "peak_rss_mb")
        memory = f"{ours:.0f} | {theirs:.0f} | {ours / theirs:.2f}" if ours else f"? | {theirs:.0f} | ?"
        lines.append(f"| {known[n]['what']} | {middle(0, 'clips_per_s'):.1f} | {middle(1, 'clips_per_s'):.1f} ({how}) | "
                     f"**{statistics.median(ratios):.2f}** ({ratios[0]:.2f}–{ratios[-1]:.2f}) | {memory} |")
    o, t = first
    print(f"{o['processor'] or 'processor unknown'}, {o['threads']} threads; clr {o['cpu_path']}; PyTorch {t['torch']}, {a.malloc} malloc; rounds: {a.rounds}")
    if noisy:
        print(f"\n{noisy} of clr's measurements were on a machine that was not quiet.")
    print("\n| work | clr, clips/s | PyTorch, clips/s (fastest of its ways) | ratio (least–most) | peak RSS, MiB: clr | PyTorch | ratio |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
