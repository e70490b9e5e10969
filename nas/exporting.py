"""From finalists to the export: the winner's weights, its data, its rivals; torch only when run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.config import StudyConfig
from nas.errors import ExportError
from nas.export import ExportRequest, ExportResult, SearchCost, write_export
from nas.finalists import Direction, best_finalist
from nas.trials import Source, TrialRecord
from search_spaces.drawing import draw_svg
from trainer.checkpoints import CheckpointStore


def weights_key(record: TrialRecord) -> str:
    """Return where the weights of a repeat are kept."""
    return f"repeat-{record.number:04d}-weights"


def export_winner(
    folder: Path,
    config: StudyConfig,
    repeats: Sequence[TrialRecord],
    checkpoints: CheckpointStore,
    cost: SearchCost,
    environment: Mapping[str, Any],
    of_trial: int | None = None,
) -> ExportResult:
    """Export the best finalist by its mean over fresh seeds, proven in a fresh process.

    Args:
        folder: Where the files go; an older export there is replaced as a whole.
        config: The study's configuration.
        repeats: Anchors and finalists.
        checkpoints: Where the finalists' weights are.
        cost: What the search took.
        environment: Versions, as in `environment.json`.
        of_trial: Export this search trial instead of the best.

    Raises:
        ExportError: There is no finalist, its weights are gone, or the proof failed.
    """
    finalists = [record for record in repeats if record.source is Source.FINALIST]
    chosen = _choose(finalists, config.search.direction, of_trial)
    weights = checkpoints.load(weights_key(chosen))
    if weights is None:
        raise ExportError(
            f"The weights of repeat {chosen.number} (of trial {chosen.of_trial}) must be in "
            "checkpoints/, got none. Export another --trial."
        )
    request = _request(config, chosen, weights, repeats, cost, environment)
    return write_export(folder, request)


def _request(
    config: StudyConfig,
    chosen: TrialRecord,
    weights: bytes,
    repeats: Sequence[TrialRecord],
    cost: SearchCost,
    environment: Mapping[str, Any],
) -> ExportRequest:
    """Put together what the export and its card are made from."""
    # Imported here: it needs scikit-learn and torch.
    from trainer.datasets import load_data

    if chosen.spec is None or chosen.seed is None:
        raise ExportError(
            f"An export needs a repeat with its spec and seed, got repeat={chosen.number} without. "
            "Export another --trial."
        )
    data = load_data(config.data)
    return ExportRequest(
        study=config.name,
        spec=chosen.spec,
        weights=weights,
        mean=tuple(data.mean),
        std=tuple(data.std),
        facts=config.facts(),
        recipe=config.recipe.resolve(chosen.recipe).model_dump(mode="json"),
        seed=chosen.seed,
        chosen=chosen,
        finalists=[record for record in repeats if record.source is Source.FINALIST],
        identity_anchor=_equal_depth(repeats, chosen),
        cost=cost,
        versions=_versions(environment),
        picture=draw_svg(chosen.spec),
        metric=config.search.metric,
        direction=config.search.direction,
        space=config.space,
        task=config.task and config.task.model_dump(mode="json"),
        test_images=data.test.images.numpy(),
        test_labels=data.test.labels.numpy(),
    )


def _choose(
    finalists: Sequence[TrialRecord], direction: Direction, of_trial: int | None
) -> TrialRecord:
    """Return the best run of the best finalist, or of the architecture of one trial."""
    wanted = {r.training for r in finalists if of_trial is None or r.of_trial == of_trial}
    if not wanted:
        raise ExportError(_no_finalist(finalists, of_trial))
    return best_finalist([r for r in finalists if r.training in wanted], direction).chosen


def _no_finalist(finalists: Sequence[TrialRecord], of_trial: int | None) -> str:
    if of_trial is None or not finalists:
        return "An export needs retrained finalists, got none. Run nas search without --no-export."
    known = sorted({record.of_trial for record in finalists if record.of_trial is not None})
    return (
        f"An export needs a trial that was retrained, got trial={of_trial}. Choose one of "
        f"{', '.join(map(str, known))}."
    )


def _equal_depth(repeats: Sequence[TrialRecord], chosen: TrialRecord) -> list[TrialRecord]:
    """Runs of the same network with an identity in every block instead, by our recipe."""
    return [
        record
        for record in repeats
        if record.source is Source.ANCHOR
        and record.spec is not None
        and chosen.spec is not None
        and record.spec.with_skips([]) == chosen.spec.with_skips([])
        and record.training[1:] == chosen.training[1:]
        and record.spec.is_full_identity
    ]


def _versions(environment: Mapping[str, Any]) -> dict[str, str]:
    packages = environment.get("packages") or {}
    found = {"skip-nas": environment.get("tool"), "python": environment.get("python"), **packages}
    return {name: str(number) for name, number in found.items() if number}
