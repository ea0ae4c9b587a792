"""The contracts of the plugin's parts, as `difftool plugins check molecule` runs them."""

from difftool_molecule.contracts import *  # noqa: F403
