"""The work of `clr bench train` and `clr bench embed`, in PyTorch, for compare.py.

Nothing of clr needs this. One process measures one configuration, so that its
peak memory is its own, and prints one JSON object. The network, the projector,
the loss and the optimiser are those of clr's defaults: torchvision's ResNet with
one input channel and no classifier; SimCLR's projector with batch norm, MoCo's
without; SGD with momentum 0.9 and weight decay 1e-4.
"""

import argparse
import json
import platform
import resource
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Basic(nn.Module):
    expansion = 1

    def __init__(self, i, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.down = shortcut(i, width, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        y += x if self.down is None else self.down(x)
        return F.relu(y, inplace=True)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, i, width, stride):
        super().__init__()
        o = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(i, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, o, 1, bias=False), nn.BatchNorm2d(o)
        self.down = shortcut(i, o, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        y += x if self.down is None else self.down(x)
        return F.relu(y, inplace=True)


def shortcut(i, o, stride):
    if stride == 1 and i == o:
        return None
    return nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))


def resnet(depth):
    """Spectrograms (N, 1, F, T) to embeddings (N, D), and D."""
    block = Bottleneck if depth >= 50 else Basic
    layers = [nn.Conv2d(1, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    i = 64
    for stage, blocks in enumerate({10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}[depth]):
        for k in range(blocks):
            layers.append(block(i, 64 << stage, 2 if stage > 0 and k == 0 else 1))
            i = (64 << stage) * block.expansion
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
    return net, i


def nt_xent(z, temperature=0.1):
    """z (2N, P): the N first views, then the N second views."""
    z = F.normalize(z)
    n = len(z)
    s = z @ z.t() / temperature
    s.fill_diagonal_(float("-inf"))
    return F.cross_entropy(s, (torch.arange(n) + n // 2) % n)


class SimCLR:
    def __init__(self, depth):
        net, d = resnet(depth)
        self.net = nn.Sequential(net, nn.Sequential(nn.Linear(d, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 128)))
        self.modules = [self.net]

    def loss(self, x, autocast):
        with autocast():
            z = self.net(x)
        return nt_xent(z.float())

    def after(self):
        pass


class MoCo:
    """The key tower is fed unshuffled: this is one device."""

    def __init__(self, depth):
        self.net, self.key = self.tower(depth), self.tower(depth)
        self.key.load_state_dict(self.net.state_dict())
        self.modules = [self.net, self.key]
        self.queue, self.head = F.normalize(torch.randn(4096, 128)), 0

    @staticmethod
    def tower(depth):
        net, d = resnet(depth)
        return nn.Sequential(net, nn.Sequential(nn.Linear(d, 512), nn.ReLU(), nn.Linear(512, 128)))

    def loss(self, x, autocast):
        xq, xk = x.chunk(2)
        with torch.no_grad(), autocast():
            k = self.key(xk)
        with autocast():
            q = self.net(xq)
        q, self.k = F.normalize(q.float()), F.normalize(k.float())
        logits = torch.cat([(q * self.k).sum(1, keepdim=True), q @ self.queue.t()], 1) / 0.2
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))

    @torch.no_grad()
    def after(self):
        torch._foreach_mul_(list(self.key.parameters()), 0.99)
        torch._foreach_add_(list(self.key.parameters()), list(self.net.parameters()), alpha=0.01)
        n = len(self.k)
        if self.head + n > len(self.queue):
            self.head = 0
        self.queue[self.head : self.head + n] = self.k
        self.head += n


def timed(f, warm, steps):
    took = []
    for i in range(warm + steps):
        began = time.perf_counter()
        f()
        if i >= warm:
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def train(a):
    m = {"simclr": SimCLR, "moco": MoCo}[a.method](a.depth)
    x = torch.randn(2 * a.batch, 1, a.mels, a.frames)
    if a.layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
        for net in m.modules:
            net.to(memory_format=torch.channels_last)
    opt = torch.optim.SGD(m.net.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4)

    def autocast():
        return torch.cpu.amp.autocast(enabled=a.dtype == "bf16", dtype=torch.bfloat16)

    def step():
        opt.zero_grad(set_to_none=True)
        m.loss(x, autocast).backward()
        opt.step()
        m.after()

    return timed(step, 2, a.steps)


def embed(a):
    net, _ = resnet(a.depth)
    net.eval()
    x = torch.randn(a.batch, 1, a.mels, a.frames)
    if a.layout == "channels_last":
        net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        if a.how == "jit":
            net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, x)))
        return timed(lambda: net(x), 5, a.steps)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("work", choices=["train", "embed"])
    p.add_argument("--depth", type=int, default=18)
    p.add_argument("--method", choices=["simclr", "moco"], default="simclr")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--mels", type=int, default=64)
    p.add_argument("--frames", type=int, default=96)
    p.add_argument("--steps", type=int, default=4)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    p.add_argument("--layout", choices=["contiguous", "channels_last"], default="contiguous")
    p.add_argument("--how", choices=["eager", "jit"], default="eager")
    a = p.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(a.threads)
    torch.set_flush_denormal(True)
    step = {"train": train, "embed": embed}[a.work](a)
    unit = 1 << 20 if platform.system() == "Darwin" else 1 << 10  # of ru_maxrss
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(json.dumps({"clips_per_s": a.batch / step, "step_s": step, "peak_rss_mb": rss, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
