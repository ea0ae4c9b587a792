from difftool_diffusers.contracts import *  # noqa: F403
