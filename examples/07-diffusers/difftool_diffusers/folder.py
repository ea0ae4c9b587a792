"""An exporter: the folder that diffusers' ``from_pretrained`` reads, in a .zip file."""

import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from difftool import UsageError


def write_folder(model, path, options):
    network = getattr(model.open().denoiser.backbone, "network", None)
    if not hasattr(network, "save_pretrained"):
        raise UsageError(
            "The model's network is not of diffusers. Train with backbone.use = diffusers."
        )
    with TemporaryDirectory() as folder, zipfile.ZipFile(path, "w") as file:
        network.save_pretrained(folder, safe_serialization=True)
        for written in sorted(Path(folder).iterdir()):
            file.write(written, written.name)
