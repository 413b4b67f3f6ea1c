"""Evaluation metrics (section 4.3)."""

from aotgan.metrics.frechet import FrechetDistance
from aotgan.metrics.pixel import PIXEL_METRICS, measure
from aotgan.metrics.report import Evaluation, evaluate, interval, protocol, summarise

__all__ = [
    "PIXEL_METRICS",
    "Evaluation",
    "FrechetDistance",
    "evaluate",
    "interval",
    "measure",
    "protocol",
    "summarise",
]
