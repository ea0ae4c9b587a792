"""The verdict: what is wrong with a model in words, each with the number, the cause and the fix."""

from .finding import Finding as Finding
from .finding import in_order as in_order
from .samples import of_samples as of_samples
from .training import TrainingFacts as TrainingFacts
from .training import of_training as of_training
