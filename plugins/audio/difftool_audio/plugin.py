"""What this plugin brings, as specs: nothing of it is imported until it is used."""

from __future__ import annotations

from difftool import ModalitySpec, RecipeSpec, Spec, hookimpl


@hookimpl
def difftool_modalities() -> list[ModalitySpec]:
    return [
        ModalitySpec(
            "audio",
            "sound: recordings of any length, mono or stereo",
            "difftool_audio.modality:AudioModality",
            "difftool_audio.options:AudioOptions",
            representations=("spectrogram", "waveform", "stft"),
            recipe="tiny",
            request="difftool_audio.options:AudioRequest",
        )
    ]


@hookimpl
def difftool_representations() -> list[Spec]:
    return [
        Spec(
            "spectrogram",
            "log-mel bands; Griffin-Lim makes them sound",
            "difftool_audio.spectrogram:Spectrogram",
            "difftool_audio.options:SpectrogramOptions",
        ),
        Spec("stft", "the complex spectrum, compressed; inverts exactly", "difftool_audio.stft:Stft", "difftool_audio.options:StftOptions"),
        Spec("waveform", "the samples themselves", "difftool_audio.waveform:Waveform", "difftool_audio.options:WaveformOptions"),
    ]


@hookimpl
def difftool_backbones() -> list[Spec]:
    return [
        Spec(
            "diffwave",
            "dilated convolutions at full rate (Kong et al. 2021)",
            "difftool_audio.diffwave:DiffWave",
            "difftool_audio.network_options:DiffWaveOptions",
        ),
        Spec(
            "unet1d",
            "the U-Net for long signals: early and steep down-sampling",
            "difftool_audio.unet1d:unet1d",
            "difftool_audio.network_options:UNet1dOptions",
        ),
    ]


RECIPES = {
    "spectrogram/tiny": "a second or two in half an hour on a CPU (about 5 M parameters)",
}
"""``representation/name``: a recipe fits one representation."""


@hookimpl
def difftool_recipes() -> list[RecipeSpec]:
    return [_recipe(*known.split("/"), summary) for known, summary in RECIPES.items()]


def _recipe(representation: str, name: str, summary: str) -> RecipeSpec:
    return RecipeSpec(name, summary, f"difftool_audio:recipes/{representation}-{name}.toml", modality=f"audio/{representation}")
