"""The contracts of the plugin's parts, as `difftool plugins check audio` runs them."""

from difftool_audio.contracts import *  # noqa: F403
