from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracetrack_operator.engine.cache import REMEMBERED, ObjectCache
from tracetrack_operator.engine.objects import Object, key_of, labels_of

from .objects import thing


def by_team(obj: Object) -> list[str]:
    team = labels_of(obj).get("team")
    return [team] if team else []


def labelled(name: str, version: int, team: str) -> Object:
    return thing(name, version, metadata={"labels": {"team": team}})


def names(objects: list[Object]) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects]


def version(cache: ObjectCache, name: str) -> str | None:
    held = cache.get("ConfigMap", "shop", name)
    return held["metadata"]["resourceVersion"] if held else None


def test_what_is_held_is_the_object_without_its_managed_fields_and_nobody_elses_to_change() -> None:
    cache = ObjectCache({"team": by_team})
    obj = thing(
        "a", 1, metadata={"labels": {"team": "red"}, "managedFields": [{"manager": "x"}]}, data={"k": [1, None]}
    )
    cache.put(obj)
    assert obj["metadata"]["managedFields"], "the caller's object is left as it was"
    held = cache.get("ConfigMap", "shop", "a")
    assert held == {**thing("a", 1, metadata={"labels": {"team": "red"}}), "data": {"k": [1, None]}}
    held["data"]["k"] = "changed"
    assert cache.by_index("team", "red")[0]["data"] == {"k": [1, None]}
    assert cache.keys("ConfigMap") == [("ConfigMap", "shop", "a")]
    assert cache.keys("Secret") == []


def test_an_older_version_never_replaces_a_newer_one() -> None:
    cache = ObjectCache()
    assert cache.put(thing("a", 7))
    assert not cache.put(thing("a", 6))
    assert not cache.put(thing("a", 7))
    assert version(cache, "a") == "7"
    assert cache.put(thing("a", 10))
    assert version(cache, "a") == "10", "versions are numbers: 10 is newer than 7"


def test_a_recreated_object_takes_the_place_of_its_predecessor_but_not_the_other_way_round() -> None:
    cache = ObjectCache()
    cache.put(thing("a", 5, uid="first"))
    assert cache.put(thing("a", 9, uid="second"))
    assert not cache.put(thing("a", 6, uid="first"))
    cache.remove(thing("a", 8, uid="first"))
    assert version(cache, "a") == "9", "the late removal of the first must not take the second away"


def test_a_late_answer_does_not_bring_back_what_is_deleted() -> None:
    cache = ObjectCache()
    cache.put(thing("a", 5))
    cache.remove(thing("a", 6))
    assert not cache.put(thing("a", 5))
    assert cache.get("ConfigMap", "shop", "a") is None


def test_an_object_that_left_the_selector_may_come_back_under_its_uid() -> None:
    cache = ObjectCache()
    cache.put(thing("a", 5))
    cache.remove(thing("a", 6))
    assert cache.put(thing("a", 7))
    cache.remove(thing("a", 6))
    assert version(cache, "a") == "7", "the removal is older than what is held"


def test_removals_are_remembered_within_bounds() -> None:
    cache = ObjectCache()
    for number in range(REMEMBERED + 5):
        cache.remove(thing(f"a{number}", 2))
    assert len(cache._gone) == REMEMBERED
    assert not cache.put(thing(f"a{REMEMBERED + 4}", 1))


def test_indexes_follow_every_change() -> None:
    cache = ObjectCache({"team": by_team})
    cache.put(labelled("a", 1, "red"))
    cache.put(labelled("b", 1, "red"))
    assert names(cache.by_index("team", "red")) == ["a", "b"]
    cache.put(labelled("a", 2, "blue"))
    assert names(cache.by_index("team", "red")) == ["b"]
    assert names(cache.by_index("team", "blue")) == ["a"]
    cache.remove(labelled("b", 2, "red"))
    assert cache.by_index("team", "red") == []
    assert ("team", "red") not in cache._index, "empty buckets are dropped"


def test_of_kind_counts_and_length() -> None:
    cache = ObjectCache()
    cache.put(thing("b"))
    cache.put(thing("a", namespace="other"))
    cache.put(thing("a", kind="Secret"))
    assert names(cache.of_kind("ConfigMap")) == ["a", "b"]
    assert names(cache.of_kind("ConfigMap", "shop")) == ["b"]
    assert [cache.count(kind) for kind in ("ConfigMap", "Secret", "Pod")] == [2, 1, 0]
    assert len(cache) == 3


def listed(cache: ObjectCache, objects: list[Object], asked: int) -> int:
    """As the loop does it; gives how many objects that changed."""
    changed = sum(cache.put(obj) for obj in objects)
    return changed + cache.retain("ConfigMap", {key_of(obj) for obj in objects}, asked)


def test_a_list_makes_the_cache_what_it_shows() -> None:
    cache = ObjectCache()
    cache.put(thing("stays", 3))
    cache.put(thing("goes", 3))
    cache.put(thing("other kind", 3, kind="Secret"))
    asked = cache.mark()
    changed = listed(cache, [thing("stays", 3), thing("new", 4)], asked)
    assert names(cache.of_kind("ConfigMap")) == ["new", "stays"]
    assert changed == 2
    assert len(cache.of_kind("Secret")) == 1


def test_what_arrives_while_the_list_runs_is_not_lost() -> None:
    cache = ObjectCache()
    cache.put(thing("old", 3))
    asked = cache.mark()
    cache.put(thing("created meanwhile", 9))
    cache.put(thing("old", 8))
    assert listed(cache, [thing("old", 3)], asked) == 0
    assert names(cache.of_kind("ConfigMap")) == ["created meanwhile", "old"]
    assert version(cache, "old") == "8"


def test_an_update_while_the_list_runs_does_not_save_what_the_list_lacks() -> None:
    cache = ObjectCache()
    cache.put(thing("old", 3))
    asked = cache.mark()
    cache.put(thing("old", 4))
    assert listed(cache, [], asked) == 1
    assert len(cache) == 0


def test_what_is_deleted_while_the_list_runs_does_not_come_back() -> None:
    cache = ObjectCache()
    cache.put(thing("old", 3))
    asked = cache.mark()
    cache.remove(thing("old", 5))
    assert listed(cache, [thing("old", 3)], asked) == 0
    assert len(cache) == 0


steps = st.lists(
    st.tuples(st.sampled_from(["put", "remove"]), st.sampled_from("abc"), st.sampled_from(["red", "blue"])),
    max_size=40,
)


@given(steps)
def test_the_index_always_agrees_with_the_objects(steps: list[tuple[str, str, str]]) -> None:
    cache = ObjectCache({"team": by_team})
    for number, (step, name, team) in enumerate(steps, start=1):
        obj = labelled(name, number, team)
        cache.put(obj) if step == "put" else cache.remove(obj)
    for team in ("red", "blue"):
        expected = [obj for obj in cache.of_kind("ConfigMap") if team in by_team(obj)]
        assert cache.by_index("team", team) == expected


@given(st.permutations(range(1, 7)))
def test_the_order_of_delivery_does_not_matter(order: list[int]) -> None:
    """Versions 1 to 5 of an object and its deletion at 6, delivered in any order, leave nothing."""
    cache = ObjectCache()
    for number in order:
        if number == 6:
            cache.remove(thing("a", 6))
        else:
            cache.put(thing("a", number))
    assert len(cache) == 0
