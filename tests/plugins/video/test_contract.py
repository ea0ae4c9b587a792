"""The contracts of the plugin's parts, as `difftool plugins check video` runs them."""

from difftool_video.contracts import *  # noqa: F403
