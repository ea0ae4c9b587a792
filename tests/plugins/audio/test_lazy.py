"""torchaudio is imported when it is needed, and says what to do when it cannot be."""

from __future__ import annotations

import subprocess
import sys

import pytest

from difftool import PluginError
from difftool_audio.lazy import torchaudio


@pytest.mark.parametrize(
    "error",
    [
        ImportError("no such module"),
        OSError("libcudart.so.13: cannot open\nmore"),
        RuntimeError("ABI"),
    ],
)
def test_what_to_install_is_named(monkeypatch, error):
    def fail(name, *_):
        raise error

    torchaudio.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr("builtins.__import__", fail)
        with pytest.raises(PluginError, match=r'pip install "torch>=2\.11') as caught:
            torchaudio()
    assert "\n" not in str(caught.value)
    assert str(error).splitlines()[0] in str(caught.value)
    assert torchaudio().functional.resample  # the failure is not remembered


def test_nothing_imports_it_before_it_is_needed():
    code = (
        "import sys, difftool_audio.modality, difftool_audio.check, difftool_audio.measure, difftool_audio.spectrogram, "
        "difftool_audio.stft, difftool_audio.waveform, difftool_audio.unet1d, difftool_audio.diffwave; sys.exit('torchaudio' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
