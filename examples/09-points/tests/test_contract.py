from difftool_points.contracts import *  # noqa: F403
