"""The space of molecules: where noise lies, how many degrees of freedom it has, and how known atoms are put in place."""

from __future__ import annotations

import pytest
import torch

from difftool import Extent, Stream, Streams
from difftool_molecule.centred import Centred

N, WIDTH = 6, 5
SIZES = 1 + torch.arange(512) % N
MASKS = {
    "none": None,
    "padded": (torch.arange(N) < 4).reshape(1, N, 1),
    "ragged": (torch.arange(N) < SIZES[:, None]).unsqueeze(-1),
}
every_mask = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
SPACE = Centred(8)


def draw(
    b: int = 512, purpose: str = "noise", mask: torch.Tensor | None = None, n: int = N
) -> torch.Tensor:
    return SPACE.noise((b, n, WIDTH), Stream(0, purpose), mask)


def rotation(seed: int = 0, mirrored: bool = False) -> torch.Tensor:
    """A random rotation, or a rotation and a reflection."""
    q, r = torch.linalg.qr(
        torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    )
    q = q * r.diagonal().sign()
    return q if (q.det() < 0) == mirrored else -q


@every_mask
def test_projection_is_idempotent_and_linear(mask):
    x, y = Stream(0, "x").normal((512, N, WIDTH)), Stream(0, "y").normal((512, N, WIDTH))
    once = SPACE.project(x, mask)
    torch.testing.assert_close(SPACE.project(once, mask), once)
    torch.testing.assert_close(SPACE.project(2 * x - y, mask), 2 * once - SPACE.project(y, mask))


@every_mask
def test_projection_is_orthogonal(mask):
    """The nearest point: what is taken away is at right angles to all that stays."""
    x, y = (Stream(0, name).normal((512, N, WIDTH)).double() for name in "xy")
    rest = x - SPACE.project(x, mask)
    torch.testing.assert_close(
        (rest * SPACE.project(y, mask)).sum((1, 2)), torch.zeros(512, dtype=torch.float64)
    )


@every_mask
def test_noise_lies_in_the_space_and_has_no_centre_of_mass(mask):
    noise = draw(mask=mask)
    torch.testing.assert_close(SPACE.project(noise, mask), noise)
    assert noise[..., :3].sum(1).abs().max() < 1e-5


@pytest.mark.parametrize("points", [2, 4, 6])
def test_the_covariance_of_noise_is_the_projector_of_three_dimensions_less(points):
    """Rank and trace are the degrees of freedom, 3 (n - 1) + n f, each of unit variance."""
    mask = (torch.arange(N) < points).reshape(1, N, 1)
    noise = draw(40_000, mask=mask).double().flatten(1)
    eigenvalues = torch.linalg.eigvalsh(noise.T @ noise / len(noise))
    freedom = 3 * (points - 1) + points * (WIDTH - 3)
    assert (eigenvalues > 0.5).sum() == freedom
    assert eigenvalues[:-freedom].abs().max() < 1e-10
    torch.testing.assert_close(
        eigenvalues[-freedom:], torch.ones(freedom, dtype=torch.float64), atol=0.1, rtol=0
    )
    assert SPACE.freedom(torch.zeros(1, N, WIDTH), mask).item() == freedom


@every_mask
def test_the_mean_square_of_noise_is_one(mask):
    assert SPACE.mean_square(draw(mask=mask), mask).mean() == pytest.approx(1, abs=0.05)


def test_the_error_is_averaged_over_each_example_s_degrees_of_freedom():
    error = SPACE.project(
        torch.ones(2, 4, 4) * torch.tensor([1.0, 2, 3, 4])[:, None],
        mask := torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])[..., None].bool(),
    )
    squares = error.square().sum((1, 2))
    torch.testing.assert_close(
        SPACE.mean_square(error, mask), squares / torch.tensor([3 * 3 + 4.0, 3 * 1 + 2.0])
    )


def test_where_the_whole_lies_is_no_error():
    error = torch.zeros(3, N, WIDTH)
    error[..., :3] = 7.0
    assert SPACE.mean_square(error, MASKS["padded"]).max() < 1e-10


def test_one_point_alone_has_no_place_and_can_be_divided_by_its_freedom():
    mask = (torch.arange(N) < 1).reshape(1, N, 1)
    assert not draw(mask=mask)[..., :3].any()
    assert SPACE.mean_square(torch.ones(2, N, 3), mask).tolist() == [0.0, 0.0]


def test_padding_holds_no_noise_and_no_error():
    mask = MASKS["ragged"]
    assert draw(mask=mask).masked_select(~mask).eq(0).all()
    error = Stream(0, "error").normal((512, N, WIDTH))
    torch.testing.assert_close(
        SPACE.mean_square(error, mask), SPACE.mean_square(torch.where(mask, error, 1e3), mask)
    )


@pytest.mark.parametrize("larger", [4, 6, 8])
def test_an_example_s_noise_does_not_depend_on_the_batch_it_is_in(larger):
    """Neither on its neighbours nor on how far they make it be padded, at the first draw and at later ones."""
    together, alone = Streams(0, "sample", range(4)), Streams(0, "sample", [2])
    for _ in range(3):
        one = SPACE.noise((1, 4, WIDTH), alone, torch.ones(1, 4, 1, dtype=torch.bool))
        mask = (torch.arange(larger) < torch.tensor([larger, 2, 4, 3])[:, None]).unsqueeze(-1)
        many = SPACE.noise((4, larger, WIDTH), together, mask)
        assert torch.equal(many[2:3, :4], one)


def test_more_points_than_the_ceiling_have_noise_too():
    assert draw(4, n=11).any(2).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_projection_and_keeping_turn_with_what_is_turned(mirrored):
    turn = torch.block_diag(rotation(1, mirrored), torch.eye(2, dtype=torch.float64))
    x, x0 = (Stream(0, name).normal((512, N, WIDTH)).double() for name in ("x", "x0"))
    mask, known = MASKS["ragged"], (torch.arange(N) < 1).reshape(1, N, 1)
    torch.testing.assert_close(SPACE.project(x @ turn, mask), SPACE.project(x, mask) @ turn)
    torch.testing.assert_close(
        SPACE.keep(x @ turn, x0 @ turn, known, mask), SPACE.keep(x, x0, known, mask) @ turn
    )


class TestKeeping:
    mask = (torch.arange(N) < 5).reshape(1, N, 1)
    known = (torch.arange(N) < 3).reshape(1, N, 1)
    estimate, x0 = draw(7, "estimate", mask), draw(7, "x0", mask)
    kept = SPACE.keep(estimate, x0, known, mask)

    def test_known_points_have_their_shape_and_features(self):
        def shape(x):
            return x[:, :3, :3] - x[:, :3, :3].mean(1, keepdim=True)

        torch.testing.assert_close(shape(self.kept), shape(self.x0))
        torch.testing.assert_close(self.kept[:, :3, 3:], self.x0[:, :3, 3:])

    def test_they_lie_where_they_were_estimated_among_the_others(self):
        def between(x):
            return x[:, :3, :3].mean(1) - x[:, 3:5, :3].mean(1)

        torch.testing.assert_close(between(self.kept), between(self.estimate))

    def test_the_others_keep_their_shape_and_features(self):
        def shape(x):
            return x[:, 3:5, :3] - x[:, 3:5, :3].mean(1, keepdim=True)

        torch.testing.assert_close(shape(self.kept), shape(self.estimate))
        torch.testing.assert_close(self.kept[:, 3:, 3:], self.estimate[:, 3:, 3:])

    def test_it_stays_in_the_space_and_keeping_again_changes_nothing(self):
        torch.testing.assert_close(SPACE.project(self.kept, self.mask), self.kept)
        torch.testing.assert_close(SPACE.keep(self.kept, self.x0, self.known, self.mask), self.kept)

    def test_where_the_given_example_lies_does_not_matter(self):
        moved = self.x0 + torch.tensor([3.0, -2, 1, 0, 0])
        torch.testing.assert_close(
            SPACE.keep(self.estimate, moved, self.known, self.mask), self.kept, atol=1e-5, rtol=1e-5
        )

    def test_nothing_known_is_nothing_kept(self):
        torch.testing.assert_close(
            SPACE.keep(self.estimate, self.x0, torch.zeros_like(self.known), self.mask),
            self.estimate,
        )


@every_mask
def test_an_estimate_is_brought_to_the_data_as_one_body(mask):
    """Scaled, not cut at planes of one frame: it stays centred, and turns with the example."""
    extent = Extent(rms=0.5, low=-0.1, high=0.1)
    x, turn = draw(mask=mask), torch.linalg.qr(draw(1, "turn")[0, :3, :3])[0]
    inside = SPACE.limit(x, extent, mask)
    torch.testing.assert_close(SPACE.project(inside, mask), inside)
    assert SPACE.mean_square(inside, mask).max() <= 0.25001
    turned = torch.cat((x[..., :3] @ turn, x[..., 3:]), -1)
    expected = torch.cat((inside[..., :3] @ turn, inside[..., 3:]), -1)
    torch.testing.assert_close(SPACE.limit(turned, extent, mask), expected)
