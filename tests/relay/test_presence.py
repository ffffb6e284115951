from relay.presence import MAX_CHANGES, Online


def test_an_account_is_online_while_one_of_its_devices_is() -> None:
    online = Online()
    online.arrive("alice", "Alice")
    online.arrive("alice", "Alice")
    online.depart("alice")
    assert "alice" in online
    online.depart("alice")
    assert "alice" not in online
    assert len(online) == 0


def test_changes_are_told_once() -> None:
    online = Online()
    online.arrive("alice", "Alice")
    assert [push.changes for push in online.take_changes()] == [(("alice", "Alice", True),)]
    assert online.take_changes() == []
    online.depart("alice")
    assert [push.changes for push in online.take_changes()] == [(("alice", "Alice", False),)]


def test_what_undid_itself_is_not_told() -> None:
    online = Online()
    online.arrive("alice", "Alice")
    online.depart("alice")
    assert online.take_changes() == []
    online.arrive("bob", "Bob")
    online.take_changes()
    online.depart("bob")
    online.arrive("bob", "Bob")
    assert online.take_changes() == []
    assert online.names_after("", 9) == (("bob", "Bob"),)


def test_another_device_of_somebody_online_is_no_change() -> None:
    online = Online()
    online.arrive("alice", "Alice")
    online.take_changes()
    online.arrive("alice", "Alice")
    online.depart("alice")
    assert online.take_changes() == []


def test_a48_a_storm_of_arrivals_is_told_in_bounded_frames() -> None:
    online = Online()
    for number in range(3 * MAX_CHANGES + 1):
        online.arrive(f"user{number}", f"User{number}")
    pushes = online.take_changes()
    assert [len(push.changes) for push in pushes] == [MAX_CHANGES] * 3 + [1]


def test_names_come_in_pages_by_name() -> None:
    online = Online()
    for name in ("carol", "alice", "bob", "dave"):
        online.arrive(name, name.title())
    assert online.names_after("", 2) == (("alice", "Alice"), ("bob", "Bob"))
    assert online.names_after("bob", 9) == (("carol", "Carol"), ("dave", "Dave"))
