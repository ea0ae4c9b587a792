from difftool_ecg.contracts import *  # noqa: F403
