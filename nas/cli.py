"""The `nas` command: reads arguments, calls the library, prints; every other import is lazy."""

import contextlib
import functools
import json
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

app = typer.Typer(
    name="nas",
    help="Search where a ResNet should have skip connections, and learn which layers need them.",
    epilog="Every command takes --debug, which shows the traceback of an error.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
RUNS = Path("runs")
_Run = Annotated[str | None, typer.Argument(help="Run folder, or the name of one in runs/.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line."""
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        os.environ["NAS_DEBUG"] = "1"
    app()


def _with_clear_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Print errors as one message and set the exit code; tracebacks only with --debug."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - the last place where an error can be explained
            _fail(error)

    return guarded


def _fail(error: Exception) -> NoReturn:
    from nas.errors import exit_code_of
    from search_spaces.errors import UserError

    if os.environ.get("NAS_DEBUG") == "1":
        traceback.print_exception(error)
    elif isinstance(error, UserError):
        print(f"error: {error}", file=sys.stderr)
    elif isinstance(error, OSError) and error.filename is not None:
        print(f"error: {error.filename}: {error.strerror}.", file=sys.stderr)
    else:
        words = " ".join(str(error).split())
        print(f"error: {type(error).__name__}: {words}", file=sys.stderr)
        print("Add --debug to see where it happened.", file=sys.stderr)
    raise typer.Exit(exit_code_of(error)) from None


@app.command()
@_with_clear_errors
def search(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file; without one, the digits study.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the study: runs/NAME.")] = None,
    trials: Annotated[
        int | None, typer.Option(help="Complete and pruned trials in all; more resumes.")
    ] = None,
    workers: Annotated[
        str | None, typer.Option(help="Training processes; auto: one per core or GPU.")
    ] = None,
    devices: Annotated[str | None, typer.Option(help="auto, cpu, or how many GPUs.")] = None,
    devices_per_trial: Annotated[
        int | None, typer.Option(help="Devices that one trial trains on.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="journal, or a storage URL of Optuna.")
    ] = None,
    wandb: Annotated[str | None, typer.Option(help="offline, online or disabled.")] = None,
    mode: Annotated[str | None, typer.Option(help="search, or effects: design rows only.")] = None,
    until: Annotated[
        str | None, typer.Option(help="settled: stop when every answer is precise.")
    ] = None,
    launcher: Annotated[str | None, typer.Option(help="local or ray.")] = None,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Neither anchors nor a report.")
    ] = False,
    no_export: Annotated[
        bool, typer.Option("--no-export", help="Neither finalists nor an export.")
    ] = False,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="Any key, such as recipe.epochs=4."),
    ] = None,
    dump_config: Annotated[
        bool, typer.Option("--dump-config", help="Print the whole configuration and stop.")
    ] = False,
) -> None:
    """Launch a study, or resume it: the same command goes on where it stopped."""
    from nas.config_file import merge, nested, parse_assignments
    from nas.run_folder import resolve_config

    flags = {
        "name": name,
        "storage": storage,
        "wandb.mode": wandb,
        "search.trials": trials,
        "search.workers": _number_or_word(workers),
        "search.devices": _number_or_word(devices),
        "search.devices_per_trial": devices_per_trial,
        "search.mode": mode,
        "search.until": until,
        "search.launcher": launcher,
    }
    given = parse_assignments(assignments or ())
    for key, value in flags.items():
        if value is not None:
            given = merge(given, nested(key, value))
    resolved = resolve_config(config, given, RUNS)
    if dump_config:
        print(_dump(resolved), end="")
        return
    _search(resolved, with_report=not no_report, with_export=not no_export)


def _search(config: Any, *, with_report: bool, with_export: bool) -> None:
    from nas.launch import SearchOptions, run_search

    options = SearchOptions(with_report=with_report, with_export=with_export)
    with _explained_interrupt(RUNS / config.name):
        run_search(config, RUNS, options)


@contextlib.contextmanager
def _explained_interrupt(folder: Path, what: str = "the study") -> Iterator[None]:
    """Say after Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        print(
            f"\nInterrupted; {what} in {folder} is intact. Finished epochs are kept. "
            f"Go on with:\n  {_same_command()}",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None


@app.command()
@_with_clear_errors
def status(run: _Run = None, as_json: _Json = False) -> None:
    """Show what is running and what is best so far."""
    from nas.status import describe_status, read_status

    found = read_status(_folder(run))
    print(json.dumps(found, indent=2) if as_json else describe_status(found))


@app.command()
@_with_clear_errors
def report(
    run: _Run = None,
    csv: Annotated[Path | None, typer.Option(help="A table of trials trained anywhere.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="Storage URL, with --name, instead of a run folder.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the study in --storage.")] = None,
    direction: Annotated[str | None, typer.Option(help="minimize or maximize, for --csv.")] = None,
    sesoi: Annotated[
        float | None, typer.Option(help="Smallest effect worth having, in the metric's unit.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report.")] = None,
    names: Annotated[
        Path | None, typer.Option(help="YAML file: your names of columns or parameters.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Who chose trials that do not say: randomised, adaptive.")
    ] = None,
) -> None:
    """Estimate which layers benefit from skipping, and write the report."""
    # Before NumPy is imported: with such small matrices threads only wait for each other.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    from nas.garbage import no_collection
    from nas.report_sources import (
        check_flags,
        names_of,
        report_csv,
        report_run,
        report_storage,
        what_else,
    )

    check_flags(
        run=run,
        csv=csv,
        storage=storage,
        name=name,
        direction=direction,
        sesoi=sesoi,
        names=names,
        source=source,
    )
    theirs = names_of(names, source)
    # A study of 10,000 trials is read, shown and left: there is no garbage in between.
    with no_collection():
        if csv is not None:
            written = report_csv(csv, direction, sesoi, out or Path("report"), theirs)
        elif storage is not None:
            written = report_storage(storage, name, sesoi, out or Path("report"), theirs)
        else:
            written = report_run(_folder(run), sesoi, out)
    print(written.headline)
    for line in what_else(written):
        print(line)
    print(f"\nreport   {written.folder / 'report.html'}")


@app.command()
@_with_clear_errors
def export(
    run: _Run = None,
    trial: Annotated[
        int | None,
        typer.Option(help="A search trial, retrained first where it was not; default: the best."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the export.")] = None,
) -> None:
    """Export the best network, so that it runs without this toolkit."""
    folder = _folder(run)
    if trial is None:
        from nas.run import export_best

        result = export_best(folder, out)
    else:
        from nas.launch import export_trial

        with _explained_interrupt(folder):
            result = export_trial(folder, trial, out)
    print(f"export   {result.folder}")
    if result.replaced is not None:
        print(f"replaced the former export there, of spec_id {result.replaced or 'unknown'}")
    print(f"proven   largest difference of logits {result.max_abs_difference:.2g}", end="")
    print("" if result.accuracy is None else f", test accuracy {result.accuracy:.1%}")


@app.command()
@_with_clear_errors
def ablate(
    run: _Run = None,
    top: Annotated[
        int, typer.Option(help="How many of the best finalists; 0: the anchors alone.")
    ] = 1,
    seeds: Annotated[
        int, typer.Option(help="Pairs for each flip; more adds to what was trained.")
    ] = 5,
    flips: Annotated[
        list[str] | None,
        typer.Option(
            "--flip",
            metavar="POSITION=KIND",
            help="Only this, such as stage2.block3=none; several with commas change together.",
        ),
    ] = None,
    workers: Annotated[
        str | None, typer.Option(help="Training processes; auto: one per core or GPU.")
    ] = None,
    wandb: Annotated[str | None, typer.Option(help="offline, online or disabled.")] = None,
) -> None:
    """Flip single skips of the best network and of the anchors, and train each in pairs."""
    from nas.ablation_plan import AblateOptions
    from nas.launch import ablate as train

    options = AblateOptions(top=top, seeds=seeds, flips=tuple(flips or ()))
    folder = _folder(run)
    with _explained_interrupt(folder):
        train(folder, options, workers=_number_or_word(workers), wandb=wandb)


@app.command()
@_with_clear_errors
def claims(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file; without one, the study, or digits.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the study: runs/NAME/claims.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this claim, such as C7.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Seeds of every training; default: each test's own.")
    ] = None,
    workers: Annotated[
        str | None, typer.Option(help="Training processes; auto: one per core or GPU.")
    ] = None,
    devices: Annotated[str | None, typer.Option(help="auto, cpu, or how many GPUs.")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="Any key, such as recipe.epochs=4."),
    ] = None,
) -> None:
    """Test the founding claims about skips on your data; the same command goes on."""
    from nas.config_file import merge, nested, parse_assignments
    from nas.run_folder import resolve_config

    flags = {
        "name": name,
        "search.workers": _number_or_word(workers),
        "search.devices": _number_or_word(devices),
    }
    given = parse_assignments(assignments or ())
    for key, value in flags.items():
        if value is not None:
            given = merge(given, nested(key, value))
    resolved = resolve_config(config, given, RUNS)
    # Imported after the flags were read: it needs NumPy, SciPy and Optuna.
    from nas.claims.run import ClaimsOptions, run_claims

    options = ClaimsOptions(only=tuple(only or ()), seeds=seeds)
    with _explained_interrupt(RUNS / resolved.name / "claims", "what was trained for the claims"):
        run_claims(resolved, RUNS, options)


@app.command()
@_with_clear_errors
def plan(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file; without one, the digits study.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Trainings; default: two for each term, in whole designs.")
    ] = None,
    to: Annotated[
        str, typer.Option(help="A new CSV file, or an Optuna storage URL.")
    ] = "plan.csv",
    name: Annotated[str | None, typer.Option(help="Name of the study in a storage.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the design.")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="Any key, such as space.max_blocks=4."),
    ] = None,
) -> None:
    """Write a balanced design for trainings made elsewhere, as CSV or into an Optuna study."""
    from nas.config_file import load_config, merge, nested, parse_assignments
    from nas.planning import PlanOptions, plan_design

    given = parse_assignments(assignments or ())
    if seed is not None:
        given = merge(given, nested("search.seed", seed))
    # All trainings are rows, and any number of them may be asked for.
    given = merge(given, {"search": {"mode": "effects", "duplicates": "reseed"}})
    options = PlanOptions(num_rows=rows, to=to, name=name)
    print("\n".join(plan_design(load_config(config, given), options)))


@app.command()
@_with_clear_errors
def show(
    what: Annotated[str, typer.Argument(help="Spec file, preset such as resnet-20, or run.")],
    as_json: _Json = False,
    svg: Annotated[Path | None, typer.Option(help="Write the picture here.")] = None,
    png: Annotated[
        Path | None, typer.Option(help="Write it here as PNG; needs the extra png.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Build a preset for this data set, such as digits.")
    ] = None,
    width: Annotated[int | None, typer.Option(help="Channels of a preset's first stage.")] = None,
    gradients: Annotated[
        bool, typer.Option("--gradients", help="Gradients per block at initialisation.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(help="Initialisations for --gradients; 5 by default.")
    ] = None,
) -> None:
    """Draw an architecture; print its layers, parameters and multiply-adds."""
    from nas.show import check_show_flags, describe_spec, find_spec

    check_show_flags(gradients=gradients, seeds=seeds)
    _check_pictures(svg=svg, png=png)
    spec = find_spec(what, RUNS, data=data, width=width)
    _write_pictures(spec, svg=svg, png=png)
    facts = describe_spec(spec)
    comparison = None
    if gradients:
        # Needs torch, and some seconds.
        from nas.show_gradients import compare_gradients

        comparison = compare_gradients(spec, seeds=5 if seeds is None else seeds)
        facts["gradients"] = comparison.to_dict()
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    _print_drawing(spec, facts)
    for path in filter(None, (svg, png)):
        print(f"picture {path}")
    if comparison is not None:
        from nas.show import can_show_boxes
        from nas.show_gradients import describe_gradients

        columns = shutil.get_terminal_size((100, 24)).columns
        ascii_only = not can_show_boxes(sys.stdout)
        print("\n" + describe_gradients(comparison, width=columns, ascii_only=ascii_only))


def _check_pictures(**paths: Path | None) -> None:
    from nas.pictures import check_picture_path

    for name, path in paths.items():
        if path is not None:
            check_picture_path(f"--{name}", path)


def _write_pictures(spec: Any, *, svg: Path | None, png: Path | None) -> None:
    if svg is None and png is None:
        return
    from nas.pictures import to_png, write_picture
    from search_spaces.drawing import draw_svg

    picture = draw_svg(spec)
    # First what can fail, so that a command that fails has written nothing.
    pixels = to_png(picture) if png is not None else None
    if svg is not None:
        write_picture(svg, picture)
    if png is not None and pixels is not None:
        write_picture(png, pixels)


def _print_drawing(spec: Any, facts: dict[str, Any]) -> None:
    from nas.show import can_show_boxes
    from search_spaces.drawing import draw_text

    columns = shutil.get_terminal_size((100, 24)).columns
    print(draw_text(spec, width=columns, ascii_only=not can_show_boxes(sys.stdout)))
    print(f"\nspec_id {facts['spec_id']}")


@app.command()
@_with_clear_errors
def presets(
    build: Annotated[
        bool, typer.Option("--build", help="Build every network too, and let torch count.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """List the published networks, their sizes and costs beside ours."""
    from nas.presets_table import describe_header, describe_row, preset_rows

    if not as_json:
        print(describe_header(build=build))
    rows = []
    for row in preset_rows(build=build):
        rows.append(row)
        if not as_json:
            print(describe_row(row), flush=True)
    if as_json:
        print(json.dumps([row.to_dict() for row in rows], indent=2))
    num_equal = sum(row.is_equal for row in rows)
    if not as_json:
        print(f"\n{num_equal} of {len(rows)} rows equal. Each is a name for nas show.")
    if num_equal < len(rows):
        raise typer.Exit(1)


@app.command()
@_with_clear_errors
def doctor(as_json: _Json = False) -> None:
    """Check what is installed, devices, storage drivers and W&B."""
    from nas.doctor import describe_checks, run_checks

    checks = run_checks(Path.cwd())
    if as_json:
        print(json.dumps([check.to_dict() for check in checks], indent=2))
    else:
        print(describe_checks(checks))
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)


def _folder(run: str | None) -> Path:
    from nas.run_folder import find_run

    return find_run(run, RUNS)


def _same_command() -> str:
    """Return the command that was given, without a password, ready to be pasted."""
    from nas.storage import without_password

    words = []
    for word in sys.argv[1:]:
        # `--storage=URL` and `--set storage=URL` carry the URL behind an equals sign.
        before = word.partition("://")[0].rpartition("=")[0]
        prefix = f"{before}=" if before else ""
        words.append(prefix + without_password(word.removeprefix(prefix)))
    return shlex.join(["nas", *words])


def _number_or_word(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.lstrip("-").isdigit() else text


def _dump(config: Any) -> str:
    import yaml

    from nas.storage import without_password

    data = config.to_dict()
    data["storage"] = without_password(config.storage)
    return yaml.safe_dump(data, sort_keys=False)
