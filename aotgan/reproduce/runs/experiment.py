"""What an experiment is: a training of the paper, or beside it, without its size and seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ABLATION_BINS = ((0.4, 0.5),)  # the masks of Tables 4 to 7
CLASSICAL = "classical"  # the group of fillings that are not trained


@dataclass(frozen=True)
class Experiment:
    """One training of the paper, and the table rows that it feeds.

    Attributes:
        name: unique, used for folders: letters, digits and hyphens.
        title: one line for captions.
        group: "main", "ablations" (Tables 4 to 7), "thick" (the same with thick holes), "readings"
            (paper against released code), "alternatives" (of rows that the paper leaves open),
            "applications" (section 4.8), "baselines" and "classical" (Tables 1 and 2), "study"
            (Table 3), "gate" (Eq. 1 against a plain sum), "tuned" (departures from the paper that
            let a short training get farther), "pilots" (by which these were chosen) or "shipped"
            (the models that come with the package).
        rows: (table, row label) pairs that this run feeds, labels as in published.csv where the
            paper has the row.
        subject: "faces", "scenes", "scenes-more", "logos" or "objects"; a scale says which image
            set that is.
        bins: bounds of the hole fractions on which it is measured; None for the paper's six.
        generator: for `aotgan.models.registry.build`; the scale adds how wide it is.
        loss, optim, data: fields of the training configuration that differ from the scale's.
        stages: growing images: (share of its training at which a stage ends, side in units of the
            scale's) of each.
        wider: factor on the width of the scale's generator.
        masks: what it is measured on, where that is not what it is trained on.
        style: factor on the scale's weight of the style loss.
        refine: as in `aotgan.training.config.TrainConfig`.
        departs: what is not as the paper has it, for the caption; "" where the rows say it.
        train_more: factor on the scale's steps.
        measure: share of the scale's pairs that it is measured on.
        curve: shares of its training after which it is measured too, besides the end.
    """

    name: str
    title: str
    group: str
    rows: tuple[tuple[str, str], ...] = ()
    subject: str = "faces"
    bins: tuple[tuple[float, float], ...] | None = ABLATION_BINS
    generator: Mapping[str, Any] = field(default_factory=dict)
    loss: Mapping[str, Any] = field(default_factory=dict)
    optim: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[tuple[float, float], ...] = ()
    wider: float = 1.0
    masks: str | None = None
    refine: float = 0.0
    style: float = 1.0
    departs: str = ""
    train_more: float = 1.0
    measure: float = 1.0
    curve: tuple[float, ...] = ()

    @property
    def trained(self) -> bool:
        """Whether there is anything to train; else it is run once, as seed 0."""
        return self.group != CLASSICAL
