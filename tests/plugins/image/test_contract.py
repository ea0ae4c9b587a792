"""The contracts of the plugin's parts, as `difftool plugins check image` runs them."""

from difftool_image.contracts import *  # noqa: F403
