"""The parts of this plugin, as specs: their code is imported only when it is used."""

from __future__ import annotations

from difftool import CheckSpec, MetricSpec, ModalitySpec, RecipeSpec, Spec, hookimpl


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
            selection="difftool_audio.options:AudioSelection",
            metrics=("patches", "sound"),
            inspection="difftool_audio.check:AudioInspection",
            facts="difftool_audio.options:AudioFacts",
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
        Spec(
            "stft",
            "the complex spectrum, compressed; inverts exactly",
            "difftool_audio.stft:Stft",
            "difftool_audio.options:StftOptions",
        ),
        Spec("waveform", "the samples themselves", "difftool_audio.waveform:Waveform"),
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


@hookimpl
def difftool_bridges() -> list[Spec]:
    return [
        Spec(
            "vocoder",
            "sounds of given mel bands: in place of Griffin-Lim, after a stage of spectrograms",
            "difftool_audio.vocoder:Vocoder",
            "difftool_audio.options:VocoderOptions",
        )
    ]


RECIPES = {
    "demo": "as tiny, on notes of an asked pitch, stopped as soon as they sing",
    "music-48k-stereo": (
        "eleven seconds of music as samples, with the place of each part in its "
        "piece as a condition, on a big GPU"
    ),
    "sc09-diffwave": (
        "the spoken digits of Kong et al. 2021 (arXiv:2009.09761), 200 ancestral steps"
    ),
    "spectrogram/autoencoder": (
        "a second of log-mel bands as 256 numbers, in ten minutes on a CPU (about 0.7 M parameters)"
    ),
    "waveform/autoencoder": "sound as an eighth of its numbers, on one GPU",
    "spectrogram/dit-small": (
        "four seconds with the diffusion transformer on one GPU (about 33 M parameters)"
    ),
    "spectrogram/dit-tiny": (
        "a second or two in half an hour on a CPU, with the diffusion "
        "transformer (about 4 M parameters)"
    ),
    "spectrogram/small": "four seconds on one GPU (about 77 M parameters)",
    "spectrogram/tiny": "a second or two in half an hour on a CPU (about 5 M parameters)",
    "stft/tiny": "a second or two in half an hour on a CPU, under hiss (about 5 M parameters)",
    "waveform/tiny": "a second or two in half an hour on a CPU (about 10 M parameters)",
}
"""By name, or ``representation/name`` where there are several of one name."""


@hookimpl
def difftool_recipes() -> list[RecipeSpec]:
    return [_recipe(known, summary) for known, summary in RECIPES.items()]


def _recipe(known: str, summary: str) -> RecipeSpec:
    representation, slash, name = known.rpartition("/")
    return RecipeSpec(
        name,
        summary,
        f"difftool_audio:recipes/{known.replace('/', '-')}.toml",
        modality=f"audio{slash}{representation}",
    )


@hookimpl
def difftool_metrics() -> list[MetricSpec]:
    return [
        MetricSpec(
            "sound",
            "offset, loudness, clicks, clipping, silence and spectrum",
            "difftool_audio.statistics:Sound",
        )
    ]


CASCADES = {
    "4k-16k": "sounds at 4 kHz, then at 16, in half an hour of a CPU",
    "latent": "spectrograms by way of their latents, in a quarter of an hour of a CPU",
    "latent-10s": "ten seconds by way of latents of sound itself, on one GPU",
    "vocoder": "a spectrogram, then its sound, in half an hour of a CPU",
}


@hookimpl
def difftool_cascades() -> list[RecipeSpec]:
    return [
        RecipeSpec(name, text, f"difftool_audio:cascades/{name}.toml", modality="audio")
        for name, text in CASCADES.items()
    ]


@hookimpl
def difftool_checks() -> list[CheckSpec]:
    return [
        CheckSpec(
            "recordings",
            "clipping, offsets, silence, a rate that is not theirs",
            "difftool_audio.doctor:Recordings",
            modalities=("audio",),
        )
    ]
