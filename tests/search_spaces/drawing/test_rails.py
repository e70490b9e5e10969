from hypothesis import given
from hypothesis import strategies as st

from search_spaces.drawing.rails import draw_rails

PAIRS = st.lists(
    st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda pair: pair[0] < pair[1]),
    max_size=12,
    unique=True,
)


def test_a_rail_turns_down_at_its_first_line_and_arrives_at_its_last() -> None:
    assert draw_rails([(1, 3)], 5).at == ("   ", "╭─ ", "│  ", "╰▸ ", "   ")
    assert draw_rails([(1, 3)], 5).below == ("   ", "│  ", "│  ", "   ", "   ")


def test_a_rail_that_is_passed_stays_whole() -> None:
    assert draw_rails([(0, 4), (1, 2), (2, 3)], 5, ascii_only=True).at == (
        ",----- ",
        "|   ,- ",
        "| ,-`> ",
        "| `--> ",
        "`----> ",
    )


def test_rails_of_one_line_are_joined() -> None:
    assert draw_rails([(0, 1), (0, 2), (1, 2)], 3).at == ("╭───┬─ ", "│ ╭─╰▸ ", "╰─┴──▸ ")


def test_without_rails_there_is_no_room_taken() -> None:
    rails = draw_rails([], 3)
    assert (rails.width, rails.at, rails.below) == (0, ("", "", ""), ("", "", ""))


@given(PAIRS)
def test_every_rail_has_both_ends_and_all_lines_are_equally_wide(
    pairs: list[tuple[int, int]],
) -> None:
    rails = draw_rails(pairs, 15)
    drawn = "".join(rails.at)
    assert drawn.count("╭") + drawn.count("┬") == len(pairs)
    assert drawn.count("╰") + drawn.count("┴") == len(pairs)
    assert {len(line) for line in (*rails.at, *rails.below)} == {rails.width}
