import pytest

from tests.bench.figures import Latency, percentile


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.99, 0.0),
        ([7.0], 0.5, 7.0),
        ([7.0], 0.0, 7.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.51, 3.0),
        ([float(number) for number in range(1, 101)], 0.95, 95.0),
        ([float(number) for number in range(1, 101)], 0.99, 99.0),
        ([float(number) for number in range(1, 101)], 1.0, 100.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_latency_is_in_milliseconds_whatever_the_order() -> None:
    found = Latency.of([0.100] + [0.001] * 98 + [0.010])
    assert found == Latency(pytest.approx(2.08), 1.0, 10.0)
    assert str(found) == "2.1/1.0/10.0 ms"


def test_no_answer_is_no_latency() -> None:
    assert Latency.of([]) == Latency(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("limits", "inside"), [((8, 20, 40), True), ((7.9, 20, 40), False), ((8, 19, 40), False), ((8, 20, 39), False)]
)
def test_every_figure_must_be_inside(limits: tuple[float, float, float], inside: bool) -> None:
    assert Latency(8, 20, 40).inside(*limits) is inside
