"""The tokenizer of CLIP, which open_clip brings along, in the format of the library tokenizers."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError
from ..nn.pretrained import pretrained


def tokenizer_json(folder: Path) -> str:
    """The tokenizer of an open_clip folder without ``tokenizer.json``, as JSON.

    Raises UsageError where the model has another one than CLIP's.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    own = pretrained(folder, "AutoTokenizer")
    if not hasattr(own, "bpe_ranks"):
        raise UsageError(f"{folder} has no tokenizer.json. Place that of the model there.")
    first, last = own.all_special_ids
    start, end = own.decoder[first], own.decoder[last]
    made = Tokenizer(
        models.BPE(own.encoder, list(own.bpe_ranks), end_of_word_suffix="</w>", unk_token=end)
    )
    clean = [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    made.normalizer = normalizers.Sequence(clean)
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, first), (end, last)]
    )
    return str(made.to_str())
