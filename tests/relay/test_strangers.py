from hypothesis import given, settings
from hypothesis import strategies as st

from relay.strangers import Strangers


def test_below_the_bounds_everybody_stays() -> None:
    strangers: Strangers[int] = Strangers(10, 5)
    assert [strangers.admit("a", n) for n in range(5)] == [None] * 5
    assert len(strangers) == 5


def test_a47_an_address_that_is_full_pushes_out_its_own_oldest() -> None:
    strangers: Strangers[str] = Strangers(10, 2)
    strangers.admit("b", "other")
    strangers.admit("a", "first")
    strangers.admit("a", "second")
    assert strangers.admit("a", "third") == "first"
    assert sorted(strangers.items()) == ["other", "second", "third"]


def test_a47_those_that_said_hello_are_let_go_of_last() -> None:
    strangers: Strangers[str] = Strangers(10, 2)
    strangers.admit("a", "honest")
    strangers.greet("a", "honest")
    strangers.admit("a", "silent")
    assert strangers.admit("a", "new") == "silent"
    strangers.greet("a", "new")
    assert strangers.admit("a", "newer") == "honest"


def test_a47_a_full_table_lets_go_of_the_address_that_has_most() -> None:
    strangers: Strangers[str] = Strangers(4, 4)
    for address, item in (("a", "a1"), ("b", "b1"), ("b", "b2"), ("b", "b3")):
        strangers.admit(address, item)
    assert strangers.admit("c", "c1") == "b1"


def test_removing_twice_and_greeting_the_unknown_do_nothing() -> None:
    strangers: Strangers[str] = Strangers(4, 4)
    strangers.admit("a", "x")
    strangers.remove("a", "x")
    strangers.remove("a", "x")
    strangers.greet("a", "x")
    assert len(strangers) == 0
    assert strangers.items() == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["admit", "greet", "remove"]),
            st.sampled_from(["a", "b", None]),
            st.integers(0, 30),
        ),
        max_size=120,
    )
)
def test_the_count_is_what_is_there_and_within_the_bounds(
    steps: list[tuple[str, str | None, int]],
) -> None:
    strangers: Strangers[tuple[str | None, int, int]] = Strangers(8, 5)
    admitted: list[tuple[str | None, int, int]] = []
    for number, (act, address, pick) in enumerate(steps):
        if act == "admit":
            item = (address, pick, number)
            admitted.append(item)
            evicted = strangers.admit(address, item)
            assert evicted is None or evicted in admitted
        elif admitted:
            item = admitted[pick % len(admitted)]
            getattr(strangers, act)(item[0], item)
        assert len(strangers) == len(strangers.items()) == len(set(strangers.items()))
        assert len(strangers) <= 8
        assert all(sum(i[0] == a for i in strangers.items()) <= 5 for a in ("a", "b", None))
