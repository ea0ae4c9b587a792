"""An exporter: the folder that diffusers' ``from_pretrained`` reads, in a .zip file.

The network's own files are at the top, and an autoencoder's beside it under ``vae``.
"""

import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from difftool import UsageError


def write_folder(model, path, options):
    opened = model.open()
    backbone = getattr(opened.denoiser.backbone, "network", None)
    coder = getattr(getattr(opened.representation, "coder", None), "network", None)
    found = {"": backbone, "vae": coder} if hasattr(backbone, "save_pretrained") else {"": coder}
    found = {name: one for name, one in found.items() if hasattr(one, "save_pretrained")}
    if not found:
        raise UsageError(
            "Neither the model's network nor its autoencoder is of diffusers. Train with "
            "backbone.use = diffusers or representation.use = diffusers."
        )
    with TemporaryDirectory() as folder, zipfile.ZipFile(path, "w") as file:
        for name, network in found.items():
            network.save_pretrained(Path(folder, name), safe_serialization=True)
        for written in sorted(one for one in Path(folder).rglob("*") if one.is_file()):
            file.write(written, written.relative_to(folder))
