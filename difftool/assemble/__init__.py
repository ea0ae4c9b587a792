"""From a resolved configuration to built objects: the one place where names become code."""

from .average import posthoc_average as posthoc_average
from .build import Assembly as Assembly
from .build import build_stage as build_stage
from .build import make_bridge as make_bridge
from .build import make_representation as make_representation
from .encode import encode_dataset as encode_dataset
from .examples import data_folder as data_folder
from .examples import demo_folder as demo_folder
from .examples import missing_data as missing_data
from .examples import open_examples as open_examples
from .examples import source_of as source_of
from .holdout import hold_out as hold_out
from .load import load_stage as load_stage
from .open import open_dataset as open_dataset
from .open import require_examples as require_examples
from .parts import build_process as build_process
from .parts import default_part as default_part
from .parts import make_metric as make_metric
from .parts import make_modality as make_modality
from .parts import make_optimizer as make_optimizer
from .parts import make_schedule as make_schedule
