"""Fit a field in space, rendered in plain torch, to a model that knows views only.

python examples/10_field_from_views.py [TRAIN_STEPS] [FIT_STEPS]

Three coloured balls are seen from all around; a model of pictures learns the views, under the angle
as two numbers. Then a network of coordinates, which gives a density and a colour at each point, is
led by that model alone to look right from every angle. The file views.png shows real views above
views of the field.
"""

import csv
import math
import sys
from pathlib import Path

import torch
from PIL import Image

import difftool

train_steps, fit_steps = (int(word) for word in (*sys.argv[1:], 1500, 600)[:2])
SIZE, VIEWS = 16, 512
BALLS = (  # centre, radius, colour
    ((0.5, 0.0, 0.2), 0.35, (0.9, 0.2, 0.2)),
    ((-0.4, -0.3, 0.3), 0.3, (0.2, 0.7, 0.3)),
    ((0.0, 0.4, -0.5), 0.3, (0.2, 0.3, 0.9)),
)


def rays(angles):
    """Points ``[b, SIZE, SIZE, depth, 3]`` along parallel rays from each angle, front to back."""
    line = torch.linspace(-1, 1, SIZE)
    y, x, z = torch.meshgrid(-line, line, torch.linspace(1, -1, 2 * SIZE), indexing="ij")
    cos, sin = (f(angles)[:, None, None, None] for f in (torch.cos, torch.sin))
    return torch.stack(
        (cos * x + sin * z, y.expand(len(angles), -1, -1, -1), cos * z - sin * x), -1
    )


def rendered(density, colour):
    """Emission and absorption along each ray, in front of white: ``[b, 3, SIZE, SIZE]`` from 0 to 1.

    Mildenhall et al. 2020, arXiv:2003.08934, Eq. 3.
    """
    opaque = 1 - torch.exp(-density * 2 / density.shape[-1])
    through = torch.cumprod(torch.cat((torch.ones_like(opaque[..., :1]), 1 - opaque), -1), -1)
    weight = through[..., :-1] * opaque
    seen = (weight[..., None] * colour).sum(-2) + through[..., -1:]
    return seen.movedim(-1, 1)


def balls(points):
    """The density and the colour of the scene."""
    density, colour = points.new_zeros(points.shape[:-1]), torch.ones_like(points)
    for centre, radius, shade in BALLS:
        inside = (points - torch.tensor(centre)).norm(dim=-1) < radius
        density = torch.where(inside, 60.0, density)
        colour = torch.where(inside[..., None], torch.tensor(shade), colour)
    return density, colour


def angle_of(values):
    return {
        "cos": [f"{math.cos(a):.4f}" for a in values],
        "sin": [f"{math.sin(a):.4f}" for a in values],
    }


# 1. Views of the scene, with the angle beside each.
folder = Path("views")
folder.mkdir(exist_ok=True)
angles = 2 * math.pi * difftool.Stream(0, "views").uniform((VIEWS,))
pictures = torch.cat([rendered(*balls(rays(some))) for some in angles.split(64)])
pixels = (255 * pictures.permute(0, 2, 3, 1)).round().byte().numpy()
with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
    table = csv.writer(file)
    table.writerow(("file_name", "cos", "sin"))
    for i, (view, *numbers) in enumerate(
        zip(pixels, *angle_of(angles.tolist()).values(), strict=True)
    ):
        Image.fromarray(view).save(folder / f"{i:03d}.png")
        table.writerow((f"{i:03d}.png", *numbers))

# 2. A model of the views. It never sees that they are of one thing.
run = difftool.train(
    "image", folder, recipe="tiny", run="runs/views", steps=train_steps, size=SIZE,
    backbone={"channels": 32, "multipliers": (1, 2)}, conditions={"cos": {"use": "number"}, "sin": {"use": "number"}},
)  # fmt: skip

# 3. A field that the model finds likely from every angle.
judge = difftool.ScoreDistillation(run.model.open(device="cpu").stage, guidance=3.0)
torch.manual_seed(0)
field = torch.nn.Sequential(
    torch.nn.Linear(3 + 3 * 2 * 4, 64), torch.nn.SiLU(),
    torch.nn.Linear(64, 64), torch.nn.SiLU(),
    torch.nn.Linear(64, 4),
)  # fmt: skip
optimizer = torch.optim.Adam(field.parameters(), lr=5e-3)


def view(angles):
    """What the field looks like: a density and a colour at each point, from waves of its place."""
    points = rays(angles)
    waves = [f(k * points) for k in (1.0, 2.0, 4.0, 8.0) for f in (torch.sin, torch.cos)]
    found = field(torch.cat((points, *waves), -1))
    near = torch.exp(-2 * points.square().sum(-1))  # at first a cloud in the middle
    return rendered(60 * torch.sigmoid(found[..., 0] + 7 * near - 8), torch.sigmoid(found[..., 1:]))


for step in range(fit_steps):
    rng = difftool.Stream(0, "fit", step)
    some = 2 * math.pi * rng.uniform((8,))
    drawn = judge.model.representation.encode(difftool.Batch(255 * view(some))).x
    loss = judge(drawn, judge.conditions(angle_of(some.tolist())), rng).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if (step + 1) % 100 == 0 or step + 1 == fit_steps:
        print(f"step {step + 1}  loss {loss.item():.4f}")

# 4. Real views above views of the field.
around = torch.linspace(0, 2 * math.pi, 9)[:-1]
with torch.no_grad():
    rows = [rendered(*balls(rays(around))), view(around)]
error = (rows[0] - rows[1]).square().mean().sqrt().item()
blank = (rows[0] - rows[0].mean((0, 2, 3), keepdim=True)).square().mean().sqrt().item()
print(f"root mean square error {error:.3f}; of one colour {blank:.3f}")
sheet = torch.cat([torch.cat(list(row), -1) for row in rows], 1).permute(1, 2, 0)
image = Image.fromarray((255 * sheet.clamp(0, 1)).byte().numpy())
image.resize((4 * image.width, 4 * image.height), Image.NEAREST).save("views.png")
