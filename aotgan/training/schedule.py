"""What of a training run depends on how far it is: learning rate and size of the images."""

import math
from collections.abc import Sequence

SCHEDULES = ("constant", "cosine")


def learning_rate_factor(schedule: str, warmup_steps: int, steps: int, done: int) -> float:
    """Returns by what a step multiplies the learning rate; a function of its number alone.

    It rises in equal parts to 1 at the last step of the warm-up, and is 1 from there on
    ("constant", as in the paper) or falls along half a cosine, which reaches 0 where the run ends
    ("cosine").

    Args:
        schedule: one of `SCHEDULES`.
        warmup_steps: number of steps that it rises; 0 for none.
        steps: of the whole run.
        done: steps before this one.
    """
    if done < warmup_steps:
        return (done + 1) / warmup_steps
    if schedule == "constant":
        return 1.0
    return (1 + math.cos(math.pi * (done - warmup_steps) / (steps - warmup_steps))) / 2


def size_changes(
    stages: Sequence[tuple[float, int]], steps: int, batch_size: int
) -> tuple[tuple[int, int], ...]:
    """Returns (first sample after it, side in px) of each stage of growing images.

    A stage ends with the whole step that is nearest to its share, so that no batch mixes sizes.

    Args:
        stages: (share of the steps at which it ends, side in px) of each.
        steps: of the whole run.
        batch_size: samples of a step.
    """
    return tuple((round(share * steps) * batch_size, side) for share, side in stages)
