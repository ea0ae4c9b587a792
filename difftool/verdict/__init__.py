"""The verdict: what is wrong with data or a model in words, each with the number, the cause and the fix."""

from .case import Case as Case
from .check import Check as Check
from .diagnosis import Diagnosis as Diagnosis
from .diagnosis import in_order as in_order
from .samples import of_samples as of_samples
from .training import TrainingFacts as TrainingFacts
from .training import of_training as of_training
