from difftool_voxels.contracts import *  # noqa: F403
