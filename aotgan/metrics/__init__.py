"""Evaluation metrics (section 4.3)."""

from aotgan.metrics.distances import METRICS as _DISTANCES
from aotgan.metrics.embedding import Embedding
from aotgan.metrics.intervals import interval
from aotgan.metrics.metric import Metric
from aotgan.metrics.pixel import METRICS as _OF_PIXELS
from aotgan.metrics.pixel import PIXEL_METRICS, measure
from aotgan.metrics.report import Evaluation, evaluate, protocol, summarise

METRICS = (*_OF_PIXELS, *_DISTANCES)

__all__ = [
    "METRICS",
    "PIXEL_METRICS",
    "Embedding",
    "Evaluation",
    "Metric",
    "evaluate",
    "interval",
    "measure",
    "protocol",
    "summarise",
]
