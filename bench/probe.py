"""Fits one logistic regression in scikit-learn and in clr by turns, and prints both times.

    make compare-sklearn                    # 50 000 × 512, 35 classes, C = 1, three rounds
    python3 bench/probe.py --clr ./clr --rows 5000 --rounds 1

The rows are drawn from a seed, as embeddings are: clouds around a centre for each
class, features correlated through a few common directions, brought to mean 0 and
deviation 1. Each fit is of a process of its own, with the same number of threads.
scikit-learn is asked first, as it is out of the box (L-BFGS, tol 1e-4); clr then has
to end with a gradient no longer than scikit-learn's, both as the length of the
gradient of objective / (C·N) by coefficients and intercepts. Times are of fitting
alone: reading the file is not in them.

Needs a python3 that has NumPy and scikit-learn, and nothing else.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time


def problem(np, rows, features, classes, seed):
    """Rows with labels, standardised: (N, D) float32, (N)."""
    r = np.random.default_rng(seed)
    y = r.integers(0, classes, rows)
    centres = r.normal(size=(classes, features)) * 0.15
    common = r.normal(size=(16, features))
    x = centres[y] + r.normal(size=(rows, features)) + r.normal(size=(rows, 16)) @ common
    x = (x - x.mean(0)) / x.std(0)
    return x.astype(np.float32), y


def gradient(np, x, y, w, b, c):
    """Length of the gradient of loss/N + |W|²/(2CN)."""
    z = x @ w.T + b
    z -= z.max(1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    dw = p.T @ x / len(y) + w / (c * len(y))
    return float(np.sqrt((dw**2).sum() + (p.mean(0) ** 2).sum()))


def fit(path, train, c):
    """scikit-learn's side, in a process of its own: a line of JSON."""
    import numpy as np
    import sklearn
    from sklearn.linear_model import LogisticRegression

    f = np.load(path)
    x, y = f["x"].astype(np.float64), f["y"]
    begun = time.perf_counter()
    m = LogisticRegression(C=c, max_iter=10000).fit(x[:train], y[:train])
    took = time.perf_counter() - begun
    print(json.dumps(dict(
        fit_s=took, iterations=int(m.n_iter_.max()), version=sklearn.__version__,
        accuracy=float(m.score(x[train:], y[train:])),
        grad_norm=gradient(np, x[:train], y[:train], m.coef_, m.intercept_, c))))


def run(command, env):
    p = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if p.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {p.returncode}\n{p.stderr}")
    return json.loads(p.stdout)


def main():
    a = argparse.ArgumentParser(description="One logistic regression, in scikit-learn and in clr.")
    a.add_argument("--clr", default="./clr")
    a.add_argument("--rows", type=int, default=50000, help="to learn from; a tenth as many are tested on")
    a.add_argument("--features", type=int, default=512)
    a.add_argument("--classes", type=int, default=35)
    a.add_argument("--C", type=float, default=1)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--fit", help=argparse.SUPPRESS)  # a file: this is scikit-learn's process
    o = a.parse_args()
    if o.fit:
        return fit(o.fit, o.rows, o.C)

    import numpy as np

    threads = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    env = dict(os.environ, GOMAXPROCS=threads, OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads, MKL_NUM_THREADS=threads)
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "problem.npz")
        x, y = problem(np, o.rows + o.rows // 10, o.features, o.classes, o.seed)
        np.savez(path, x=x, y=y, split=np.array(["train"] * o.rows + ["test"] * (o.rows // 10)))
        ours, theirs = [], []
        for _ in range(o.rounds):
            theirs.append(run([sys.executable, __file__, "--fit", path, "--rows", str(o.rows), "--C", str(o.C)], env))
            ours.append(run([o.clr, "linear-probe", "--embeddings", path, "--C", str(o.C), "--json", "--quiet", "--set", "linear_probe.standardize=false",
                             "--set", "linear_probe.max_iterations=10000", "--set", f"linear_probe.tolerance={theirs[-1]['grad_norm']:.3e}"], env))
    print(f"{o.rows} × {o.features}, {o.classes} classes, C = {o.C:g}, seed {o.seed}, {threads} threads; median of {o.rounds} rounds\n")
    print(f"{'':24}{'seconds':>9}{'iterations':>12}{'gradient':>11}{'accuracy %':>12}")
    times = {}
    for name, of in ((f"scikit-learn {theirs[0]['version']}", theirs), ("clr linear-probe", ours)):
        times[name[:3]] = t = statistics.median(r["fit_s"] for r in of)
        print(f"{name:24}{t:9.2f}{of[0]['iterations']:12d}{of[0]['grad_norm']:11.1e}{100 * of[0]['accuracy']:12.2f}")
    ratio = statistics.median(u["fit_s"] / t["fit_s"] for u, t in zip(ours, theirs))
    print(f"\nclr takes {ratio:.2f} of scikit-learn's time")


main()
