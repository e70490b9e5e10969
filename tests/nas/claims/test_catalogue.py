import pytest

from nas.claims.catalogue import CLAIMS, choose_claims
from nas.claims.jobs import Training
from nas.claims.setup import ClaimsSetup
from nas.config import make_config
from nas.errors import ConfigError


def test_claims_are_chosen_by_name_in_any_case_and_with_commas() -> None:
    assert [claim.id for claim in choose_claims(("c7", "C1,C1b"))] == ["C1", "C1b", "C7"]
    assert choose_claims(()) == CLAIMS


def test_an_unknown_claim_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"must name a claim, got only=.C9.*C1b"):
        choose_claims(("C7", "C9"))


def test_claims_share_trainings() -> None:
    setup = ClaimsSetup.from_config(make_config({}))
    plans = {claim.id: {job.key for job in claim.plan(setup)} for claim in CLAIMS}
    assert plans["C8"] <= plans["C7"]
    assert plans["C5"] <= plans["C3"]
    assert len(plans["C6"] & plans["C7"]) == 15
    trainings = {
        job.key for claim in CLAIMS for job in claim.plan(setup) if isinstance(job, Training)
    }
    assert len(trainings) == 501


def test_every_plan_fits_spaces_of_other_shapes() -> None:
    for space in ({"stages": 1}, {"stages": 2, "norm": "none"}, {"block": "bottleneck"}):
        setup = ClaimsSetup.from_config(make_config({"space": space}), seeds=2)
        for claim in CLAIMS:
            assert all(job.key for job in claim.plan(setup))
