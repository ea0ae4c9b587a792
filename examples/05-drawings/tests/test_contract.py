from difftool_drawings.contracts import *  # noqa: F403
