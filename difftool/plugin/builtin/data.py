"""Where examples come from, what they become for the network, and what models are written to."""

from __future__ import annotations

from ..hookspecs import hookimpl
from ..spec import ConditionerSpec, ExporterSpec, SourceSpec, Spec


def _conditioner(name: str, summary: str, columns: str = "columns") -> ConditionerSpec:
    """Of the column of this conditioner in the module ``columns``."""
    home, code = "difftool.conditioners", name.capitalize()
    return ConditionerSpec(
        name,
        summary,
        f"{home}.{name}:{code}",
        f"{home}.options:{code}Options",
        column=f"{home}.{columns}:{code}Column",
    )


@hookimpl
def difftool_sources() -> list[SourceSpec]:
    archives = ("*.zip", "*.tar", "*.tar.gz", "*.tgz", "*.tar.bz2", "*.tar.xz")
    return [
        SourceSpec(
            "folder",
            "a folder or file on this machine, used where it is",
            "difftool.sources.folder:Folder",
            patterns=("*",),
        ),
        SourceSpec(
            "archive",
            "a zip or tar file, or shards of one, unpacked into the cache",
            "difftool.sources.archive:Archive",
            "difftool.sources.options:ArchiveOptions",
            patterns=archives,
            folders=archives[1:],
        ),
        SourceSpec(
            "parquet",
            "Parquet files whose rows hold files, as on Hugging Face's hub",
            "difftool.sources.parquet:Parquet",
            "difftool.sources.options:ParquetOptions",
            requires=("pyarrow>=15",),
            patterns=("*.parquet",),
            folders=("*.parquet",),
        ),
    ]


@hookimpl
def difftool_representations() -> list[Spec]:
    return [
        Spec(
            "standard",
            "each channel with a mean of zero and one standard deviation, measured on the data",
            "difftool.representations.standard:Standard",
            "difftool.representations.options:StandardOptions",
        ),
        Spec(
            "latent",
            "the latents of a trained autoencoder, which the model file then holds",
            "difftool.representations.latent:Latent",
            "difftool.representations.options:LatentOptions",
        ),
        Spec(
            "embedding",
            "one vector for each example, by a pretrained network, for a prior",
            "difftool.representations.embedding:Embedding",
            "difftool.representations.options:EmbeddingOptions",
        ),
        Spec(
            "framewise",
            "the latents of each frame by itself, by an autoencoder of single ones",
            "difftool.representations.framewise:Framewise",
            "difftool.representations.options:LatentOptions",
        ),
    ]


@hookimpl
def difftool_conditioners() -> list[ConditionerSpec]:
    return [
        _conditioner(
            "beside",
            "a file, laid beside the noisy example: a map, or what is edited",
            "file_column",
        ),
        _conditioner("channels", "extra input channels, concatenated to the noisy example"),
        ConditionerSpec(
            "encoder",
            "a text, by a pretrained encoder: CLIP, T5, CLAP, BERT, sentence-transformers",
            "difftool.conditioners.encoder:PretrainedText",
            "difftool.conditioners.options:EncoderOptions",
            column="difftool.conditioners.encoder_column:EncoderTextColumn",
        ),
        _conditioner("label", "one learned vector per label"),
        _conditioner(
            "labels",
            "several labels at once, written as cat;drawing: the sum of their learned vectors",
        ),
        _conditioner("number", "Fourier features of a number"),
        _conditioner(
            "reference", "a file, by its embedding by CLIP, CLAP or the like", "file_column"
        ),
        ConditionerSpec(
            "text",
            "a text, such as a caption, by an encoder that is trained along",
            "difftool.conditioners.text:Text",
            "difftool.conditioners.options:TextOptions",
            column="difftool.conditioners.text_column:TextColumn",
        ),
        _conditioner("vector", "a linear map of a vector"),
    ]


@hookimpl
def difftool_bridges() -> list[Spec]:
    return [
        Spec(
            "resample",
            "downsampling along some axes, and smooth upsampling",
            "difftool.bridges.resample:Resample",
            "difftool.bridges.options:ResampleOptions",
        ),
        Spec(
            "reconstruct",
            "what an autoencoder's decoder makes, for a diffusion decoder after it",
            "difftool.bridges.reconstruct:Reconstruct",
            "difftool.bridges.options:ReconstructOptions",
        ),
        Spec(
            "embedding",
            "an embedding by a pretrained network, which a prior makes",
            "difftool.bridges.embedding:EmbeddingBridge",
            "difftool.bridges.options:EmbeddingBridgeOptions",
        ),
    ]


@hookimpl
def difftool_exporters() -> list[ExporterSpec]:
    return [
        ExporterSpec(
            "model",
            "difftool's own model file",
            "difftool.exporters.model:model",
            suffix=".safetensors",
        )
    ]
