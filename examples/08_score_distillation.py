"""Fit a small field, a network of coordinates, to a trained model of pictures.

python examples/08_score_distillation.py RUN CONDITION VALUE [STEPS]

The field is a picture of any size: here it is drawn at the size of the model. What is learnt are
the weights of the field. Any differentiable program can take its place, such as a renderer.
"""

import sys
from pathlib import Path

import torch

import difftool

run, name, value, *rest = sys.argv[1:]
steps = int(rest[0]) if rest else 300

stage = difftool.load(run).open(device="cpu").stage
judge = difftool.ScoreDistillation(stage, guidance=3.0)
channels, height, width = stage.representation.shape

# A coordinate as waves of several lengths, then a network from there to the values of a pixel.
grid = torch.stack(
    torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"), -1
)
waves = torch.cat([torch.sin(f * grid + p) for f in (1, 2, 4, 8) for p in (0.0, 1.57)], -1)
torch.manual_seed(0)
field = torch.nn.Sequential(
    torch.nn.Linear(waves.shape[-1], 64),
    torch.nn.SiLU(),
    torch.nn.Linear(64, 64),
    torch.nn.SiLU(),
    torch.nn.Linear(64, channels),
)
optimizer = torch.optim.Adam(field.parameters(), lr=3e-3)
views, cond = 4, judge.conditions({name: [value] * 4})  # four noises of one picture in each step

for step in range(steps):
    drawn = field(waves).permute(2, 0, 1)
    loss = judge(drawn.expand(views, -1, -1, -1), cond, difftool.Stream(0, "fit", step)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if (step + 1) % 100 == 0 or step + 1 == steps:
        print(f"step {step + 1}  loss {loss.item():.4f}")

with torch.no_grad():
    drawn = field(waves).permute(2, 0, 1)[None]
    raw = stage.representation.decode(difftool.Batch(drawn)).x.numpy()
print(stage.modality.preview([raw[0]], Path("fitted"), [f"{name} {value}"]))
