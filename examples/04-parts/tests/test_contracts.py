from difftool_parts.contracts import *  # noqa: F403
