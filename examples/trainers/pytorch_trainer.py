#!/usr/bin/python3
"""A trainer in PyTorch: a worker with `--command 'examples/trainers/pytorch_trainer.py'` trains with it.

A starting point for one of your own: everything that is not the protocol is ordinary PyTorch. It knows the options skip,
conv_kN and mbconv_kN_eM and generates its images (ten directions of stripes in noise) where a search asks for shapes10,
so that it runs as it stands:

    layernas run examples/shapes10.yaml -- --command examples/trainers/pytorch_trainer.py

Needs PyTorch, for example Debian's python3-torch.
"""

import re
import statistics
import time

import torch
from torch import nn

from layernas_evaluator import Infeasible
from layernas_evaluator import kept
from layernas_evaluator import refuse_unknown
from layernas_evaluator import serve
from layernas_evaluator import weights_file

# What this trainer follows of a request's parts, and with which values; it refuses the rest.
TRAIN = {
    "dataset": {"shapes10"},
    "optimizer": {"sgd"},
    "precision": {"float32"},
    "augment": {False},
    "parameters.holdout": {"validation"},
    **dict.fromkeys(["epochs", "batch", "learning_rate", "momentum", "weight_decay"]),
    **dict.fromkeys(["train_examples", "validation_examples"]),
}
NETWORK = dict.fromkeys(["input", "classes", "stem_channels", "head_channels", "parameters.stem_stride"])
LAYER = dict.fromkeys(["name", "option", "channels", "stride"])
MEASURE = {"threads": {1}, "precision": {"float32"}, **dict.fromkeys(["batch", "warm_up", "runs"])}


def conv(channels_in, channels_out, kernel, stride=1, groups=1, activation=True):
    layers = [
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out),
    ]
    return nn.Sequential(*layers, nn.ReLU()) if activation else nn.Sequential(*layers)


class Residual(nn.Sequential):

    def forward(self, images):
        return images + super().forward(images)


def block(layer, channels_in):
    option = layer["option"]
    channels, stride = layer.get("channels") or channels_in, layer.get("stride") or 1
    same = stride == 1 and channels == channels_in
    if option == "skip":
        return nn.Identity() if same else conv(channels_in, channels, 1, stride, activation=False)
    if match := re.fullmatch(r"conv_k(\d+)", option):
        return conv(channels_in, channels, int(match[1]), stride)
    if match := re.fullmatch(r"mbconv_k(\d+)_e(\d+)", option):
        kernel, hidden = int(match[1]), int(match[2]) * channels_in
        return (Residual if same else nn.Sequential)(
            conv(channels_in, hidden, 1),
            conv(hidden, hidden, kernel, stride, groups=hidden),
            conv(hidden, channels, 1, activation=False),
        )
    raise Infeasible(f"layer '{layer['name']}': this trainer knows no option '{option}'")


def build(architecture, network):
    channels = network.get("stem_channels", 16)
    stride = int(network.get("parameters", {}).get("stem_stride", 1))
    layers = [conv(network["input"][0], channels, 3, stride)]
    for layer in architecture["layers"]:
        layers.append(block(layer, channels))
        channels = layer.get("channels") or channels
    if head := network.get("head_channels"):
        layers.append(conv(channels, head, 1))
        channels = head
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, network["classes"]))


def stripes(count, shape, seed):
    """Images of stripes in ten directions, and their labels. Put the data set of your own here."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 10
    angles = labels * (torch.pi / 10)
    rows = torch.arange(shape[1]).view(1, -1, 1)
    columns = torch.arange(shape[2]).view(1, 1, -1)
    phases = torch.rand(count, generator=generator) * 6
    along = columns * torch.cos(angles).view(-1, 1, 1) + rows * torch.sin(angles).view(-1, 1, 1)
    waves = torch.sin(along * 0.8 + phases.view(-1, 1, 1)).unsqueeze(1).expand(-1, shape[0], -1, -1)
    return waves + torch.randn(waves.shape, generator=generator), labels


def accuracy(network, images, labels):
    network.eval()
    with torch.no_grad():
        return (network(images).argmax(1) == labels).float().mean().item()


def train(network, settings, shape, progress):
    images, labels = stripes(settings.get("train_examples", 2000), shape, 1)
    held_out = stripes(settings.get("validation_examples", 500), shape, 2)
    epochs, batch = settings.get("epochs", 5), settings.get("batch", 64)
    steps = epochs * (len(images) // batch)
    learning_rate, momentum = settings.get("learning_rate", 0.1), settings.get("momentum", 0.9)
    optimizer = torch.optim.SGD(
        network.parameters(),
        learning_rate,
        momentum,
        weight_decay=settings.get("weight_decay", 5e-4),
        nesterov=momentum > 0,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, steps, pct_start=0.1, cycle_momentum=False
    )
    reached = 0
    for epoch in range(1, epochs + 1):
        network.train()
        order = torch.randperm(len(images))
        for begin in range(0, len(images) - batch + 1, batch):
            chosen = order[begin:begin + batch]
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[chosen]), labels[chosen]).backward()
            optimizer.step()
            schedule.step()
        reached = accuracy(network, *held_out)
        progress(epoch, epochs, reached)
    return reached


def latency_ms(network, shape, settings):
    """Median of plain runs; where the machine has other work, it does not compare from one day to the next."""
    image = torch.randn(settings.get("batch", 1), *shape)
    network.eval()
    times = []
    with torch.inference_mode():
        for _ in range(settings.get("warm_up", 20) + settings.get("runs", 200)):
            start = time.perf_counter()
            network(image)
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[settings.get("warm_up", 20):])


def evaluate(request, progress):
    work = request.get("work", ["train", "measure"])
    refuse_unknown(request["network"], NETWORK, "network")
    for layer in request["architecture"]["layers"]:
        refuse_unknown(layer, LAYER, f"layers.{layer['name']}")
    if "train" in work:
        refuse_unknown(request["train"], TRAIN)
    if "measure" in work:
        refuse_unknown(request.get("measure", {}), MEASURE, "measure")
    torch.manual_seed(request.get("seed", 0))
    shape = request["network"]["input"]
    network = build(request["architecture"], request["network"])
    metrics = {"params": sum(parameter.numel() for parameter in network.parameters())}
    if "train" in work:
        # Before the training, which would be lost if the folder cannot be made.
        file = weights_file(request, ".pt")
        metrics["accuracy"] = train(network, request["train"], shape, progress)
        if file:
            torch.save(network.state_dict(), file)
            metrics["weights"] = kept(file)
    if "measure" in work:
        metrics["latency_ms"] = latency_ms(network, shape, request.get("measure", {}))
    return metrics


if __name__ == "__main__":
    torch.set_num_threads(1)  # One evaluator per core; more threads than cores are slower by far.
    serve(evaluate)
