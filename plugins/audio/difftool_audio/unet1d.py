"""The core's U-Net, for one long axis."""

from __future__ import annotations

from difftool import Interface, UNet, UsageError

from .network_options import UNet1dOptions


def unet1d(options: UNet1dOptions, interface: Interface) -> UNet:
    """The U-Net on ``(channels, positions)``.

    Lengths need not be multiples of anything: it pads, and cuts again.

    Raises:
        UsageError: examples have other than one axis beside their channels.
    """
    if len(interface.shape) != 2:
        raise UsageError(
            f"unet1d works along one axis, and an encoded example is {interface.shape}. Use it "
            "with the representation waveform, or choose another backbone: unet."
        )
    return UNet(options, interface)
