"""Tables of trials in files, and a made-up study to write as one."""

from itertools import islice

from nas.design import design_rows
from nas.trials import Source, State, TrialRecord
from search_spaces import make_space
from search_spaces.places import Kind
from search_spaces.spec import InputShape

HEADER = "trial,state,source,value,depth.stage1,skip.stage1.block1,skip.stage1.block2"
GOOD = "0,complete,randomised,0.5,2,none,none"
LONG = "trial,state,source,value,skip.stage1.block1,skip.stage1.block2,span.stage1.block2"
IMAGES = InputShape(channels=1, height=8, width=8)


def table(tmp_path, *lines, header=HEADER):
    path = tmp_path / "trials.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def design_trials(rows=50, **fields):
    """Rows of the design of three stages of five blocks, where every skip takes 0.1 off the loss."""
    space = make_space(fields, IMAGES, 10)
    plain = space.uniform(space.deepest, Kind.NONE)
    records = []
    for number, kinds in enumerate(islice(design_rows([*plain.places()], [*Kind], 0), rows)):
        spec = plain.with_kinds(kinds)
        loss = 3.0 - 0.1 * sum(kind is not Kind.NONE for kind in spec.kinds) + 0.01 * (number % 7)
        records.append(
            TrialRecord(
                number=number, state=State.COMPLETE, source=Source.RANDOMISED,
                decisions=space.decisions(spec), value=loss, spec=spec, spec_id=spec.spec_id,
                seed=number, lr=0.1, metrics={"val_accuracy": 0.9}, epochs_done=8, seconds=1.5,
                params=100,
            )
        )  # fmt: skip
    return records
