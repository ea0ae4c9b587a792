"""Settings of the built-in conditioners."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from ..options import Options


class GivenOptions(Options):
    """Settings of a condition that a user may leave open."""

    width: PositiveInt = Field(
        256,
        le=65_536,
        description="width of the vector for the network; it must be the same for all conditions "
        "of a model",
    )
    dropout: float = Field(
        0.1,
        ge=0,
        le=1,
        description="probability that training leaves this condition open; guidance and sampling "
        "without it need more than 0",
    )


class LabelOptions(GivenOptions):
    """One vector per label."""


class LabelsOptions(GivenOptions):
    """Any number of labels at once."""


class NumberOptions(GivenOptions):
    """A smooth function of a number."""


class VectorOptions(GivenOptions):
    """A linear function of a vector; zero for the zero vector."""

    dropout: float = Field(
        0.0, ge=0, le=1, description="probability that training sets the vector to zero"
    )


class TextOptions(GivenOptions):
    """A text, by a transformer encoder that is trained along with the network."""

    vocabulary: Literal["bpe", "word", "byte"] = Field(
        "bpe",
        description="what a token is: a frequent piece of text, a word, or a byte; bpe and byte "
        "know every script",
    )
    size: PositiveInt = Field(
        4096, le=1 << 20, description="most tokens of the vocabulary, which is learnt from the data"
    )
    longest: PositiveInt = Field(64, le=4096, description="most tokens that are read of a text")
    token_width: PositiveInt = Field(256, le=16_384, multiple_of=2, description="width of a token")
    layers: NonNegativeInt = Field(2, le=64, description="layers of the encoder")
    tokens: bool = Field(
        True,
        description="give the network the tokens for cross-attention, not only their mean; false "
        "for networks that take none",
    )


class EncoderOptions(GivenOptions):
    """A text, by a pretrained encoder that does not learn."""

    path: str = Field(
        "",
        description="folder of the encoder, as the library transformers saves it: CLIP, T5, CLAP, "
        "BERT, or one of sentence-transformers; nothing is downloaded",
    )
    stored: bool = Field(
        False,
        description="keep the encoder in the model file; else its checksum, and sampling needs "
        "the folder",
    )
    cache: bool = Field(True, description="encode each text once, and keep the result in the cache")
    layer: int = Field(
        -1, description="layer whose tokens are taken; -1 is the last, after its normalisation"
    )
    longest: PositiveInt = Field(77, le=4096, description="most tokens that are read of a text")
    token_width: PositiveInt = Field(256, le=16_384, description="width of a token for the network")
    tokens: bool = Field(
        True,
        description="give the network the tokens for cross-attention, not only one vector; false "
        "for networks that take none",
    )


class BesideOptions(Options):
    """A file beside the noisy example: a map, or the example before an edit."""

    dropout: float = Field(
        0.1, ge=0, le=1, description="probability that training leaves the file out"
    )


class ReferenceOptions(GivenOptions):
    """A file, by its embedding by a pretrained network that does not learn."""

    path: str = Field(
        "",
        description="folder of the network, as the library transformers saves it: CLIP, SigLIP or "
        "CLAP; or what evaluate --features takes",
    )
    tokens: bool = Field(
        False,
        description="take the tokens of the network, for cross-attention, and their mean in place of "
        "its vector: what is where in the file counts too",
    )
    token_width: PositiveInt = Field(256, le=65_536, description="width of the tokens")


class ChannelsOptions(Options):
    """Further input channels at the positions of the noisy example."""

    dropout: float = Field(
        0.0, ge=0, le=1, description="probability that training sets the channels to zero"
    )
