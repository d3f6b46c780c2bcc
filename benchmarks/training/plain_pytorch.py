#!/usr/bin/python3
"""A plain PyTorch script in eager mode, as users would write it instead of layernas-trainer, for the same requests.

It is an evaluator (docs/evaluators.md) that only trains. The networks are nn.Modules. The images are one tensor of
normalised floats, and batches are indexed from it. The optimizer is torch's SGD. --tuned follows PyTorch's tuning guide
and uses channels-last memory.
"""

import argparse
import math
import pathlib
import re
import sys
import time

import numpy
import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "trainers"))
from layernas_evaluator import Infeasible
from layernas_evaluator import serve


def conv_norm(channels_in, channels_out, kernel, stride=1, groups=1, activation=True):
    layers = [
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if activation else nn.Sequential(*layers)


def activated_conv(channels_in, channels_out, kernel, stride=1):
    """The activation comes first, as in NATS-Bench. It is not in place, because the shortcut reads the input too."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
    )


class Shortcut(nn.Module):

    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, images):
        return self.body(images) + self.shortcut(images)


class Cell(nn.Module):

    OPERATIONS = {
        "skip_connect": lambda channels: nn.Identity(),
        "nor_conv_1x1": lambda channels: activated_conv(channels, channels, 1),
        "nor_conv_3x3": lambda channels: activated_conv(channels, channels, 3),
    }

    def __init__(self, channels_in, channels, edges):
        super().__init__()
        self.fit = nn.Identity() if channels_in == channels else activated_conv(channels_in, channels, 1)
        self.edges = nn.ModuleList(self.OPERATIONS[edge](channels) for edge in edges)

    def forward(self, images):
        nodes = [self.fit(images)]
        edges = iter(self.edges)
        while len(nodes) * (len(nodes) - 1) // 2 < len(self.edges):
            nodes.append(sum(next(edges)(node) for node in list(nodes)))
        return nodes[-1]


def block(layer, channels_in):
    option, parameters = layer["option"], layer.get("parameters", {})
    channels = parameters.get("channels") or layer.get("channels") or channels_in
    stride = layer.get("stride") or 1
    same = stride == 1 and channels == channels_in
    kind = parameters.get("block")
    if kind == "cell":
        return Cell(channels_in, channels, parameters["edges"]), channels
    if kind == "residual":
        kernel = parameters["kernel"]
        if stride > 1:
            shortcut = nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(channels_in, channels, 1, bias=False))
        else:
            shortcut = nn.Identity() if same else activated_conv(channels_in, channels, 1)
        body = nn.Sequential(
            activated_conv(channels_in, channels, kernel, stride), activated_conv(channels, channels, kernel)
        )
        return Shortcut(body, shortcut), channels
    if option == "skip":
        pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        if channels == channels_in:
            return pool, channels
        return nn.Sequential(pool, conv_norm(channels_in, channels, 1, activation=False)), channels
    if match := re.fullmatch(r"conv_k(\d+)", option):
        return conv_norm(channels_in, channels, int(match[1]), stride), channels
    if match := re.fullmatch(r"mbconv_k(\d+)_e(\d+)", option):
        kernel, hidden = int(match[1]), int(match[2]) * channels_in
        body = nn.Sequential(
            conv_norm(channels_in, hidden, 1),
            conv_norm(hidden, hidden, kernel, stride, groups=hidden),
            conv_norm(hidden, channels, 1, activation=False),
        )
        return (Shortcut(body, nn.Identity()) if same else body), channels
    raise Infeasible(f"layer '{layer['name']}': no option '{option}' here")


def build(architecture, network):
    parameters = network.get("parameters", {})
    layers = architecture["layers"]
    channels = network.get("stem_channels", 16)
    if parameters.get("stem_as_first_layer"):
        channels = layers[0]["parameters"]["channels"]
    activation = parameters.get("stem_activation") != "none"
    modules = [conv_norm(network["input"][0], channels, 3, parameters.get("stem_stride", 1), activation=activation)]
    for layer in layers:
        module, channels = block(layer, channels)
        modules.append(module)
    if parameters.get("final_norm"):
        modules += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    if head := network.get("head_channels"):
        modules.append(conv_norm(channels, head, 1))
        channels = head
    return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, network["classes"]))


def read_cifar10(folder):
    """Returns all images of the five training files, normalised, and their labels."""
    files = sorted(pathlib.Path(folder).glob("data_batch_*.bin"))
    rows = numpy.concatenate([numpy.fromfile(file, dtype=numpy.uint8).reshape(-1, 3073) for file in files])
    images = torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).astype(numpy.float32))
    mean, deviation = images.mean((0, 2, 3), keepdim=True), images.std((0, 2, 3), keepdim=True)
    return (images - mean) / deviation, torch.from_numpy(rows[:, 0].astype(numpy.int64))


def learning_rate_factor(step, steps, warm_up=0.1):
    done = (step + 0.5) / steps
    return done / warm_up if done < warm_up else 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))


class Trainer:

    def __init__(self, data_dir, tuned, device):
        self.images, self.labels = read_cifar10(data_dir)
        self.device = torch.device(device)
        self.memory_format = torch.channels_last if tuned else torch.contiguous_format

    def __call__(self, request, progress):
        train = request["train"]
        torch.manual_seed(request["seed"])
        model = build(request["architecture"], request["network"]).to(self.device, memory_format=self.memory_format)
        weights = [parameter for parameter in model.parameters() if parameter.dim() > 1]
        others = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
        groups = [{"params": weights, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0}]
        optimizer = torch.optim.SGD(groups, lr=train["learning_rate"], momentum=0.9, nesterov=True)
        count, batch, epochs = train["train_examples"], train["batch"], train["epochs"]
        steps = epochs * (count // batch)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, steps))
        loss_of = nn.CrossEntropyLoss()
        images, labels = self.images[:count], self.labels[:count]
        images = images.contiguous(memory_format=self.memory_format)
        held_out, truth = self.images[count:], self.labels[count:]
        start = time.monotonic()
        accuracy = loss_sum = 0
        for epoch in range(1, epochs + 1):
            model.train()
            loss_sum = 0
            for indices in torch.randperm(count).split(batch):
                if len(indices) < batch:
                    break
                optimizer.zero_grad()
                loss = loss_of(model(images[indices].to(self.device)), labels[indices].to(self.device))
                loss.backward()
                optimizer.step()
                schedule.step()
                loss_sum += loss.item()
            model.eval()
            with torch.no_grad():
                accuracy = (model(held_out.to(self.device)).argmax(1).cpu() == truth).float().mean().item()
            progress(epoch, epochs, accuracy)
        seconds = time.monotonic() - start
        parameters = sum(parameter.numel() for parameter in model.parameters())
        return {
            "accuracy": accuracy,
            "train_loss": loss_sum / (count // batch),
            "train_seconds": seconds,
            "params": parameters,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--tuned", action="store_true", help="use channels-last memory")
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    serve(Trainer(options.data_dir, options.tuned, options.device))


if __name__ == "__main__":
    main()
