"""Evaluation metrics (section 4.3)."""

from aotgan.metrics.embedding import Embedding
from aotgan.metrics.intervals import interval
from aotgan.metrics.pixel import PIXEL_METRICS, measure
from aotgan.metrics.report import Evaluation, evaluate, protocol, summarise

__all__ = [
    "PIXEL_METRICS",
    "Embedding",
    "Evaluation",
    "evaluate",
    "interval",
    "measure",
    "protocol",
    "summarise",
]
