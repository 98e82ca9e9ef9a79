"""Random orders of joining."""

from __future__ import annotations

from auditor.measures.attribution.orders import among, joining_orders
from auditor.seeds import numpy_generator


def test_many_players_join_in_pairs_of_an_order_and_its_reverse() -> None:
    orders = joining_orders(9, 10, numpy_generator(0, "orders"))
    assert orders.shape == (10, 9)
    assert (orders[1::2] == orders[::2, ::-1]).all()
    assert len({tuple(order) for order in orders.tolist()}) == 10
    assert joining_orders(9, 7, numpy_generator(0, "orders")).shape == (7, 9)


def test_an_order_among_fewer_players_keeps_their_order() -> None:
    orders = joining_orders(6, 4, numpy_generator(0, "orders"))
    for whole, part in zip(orders.tolist(), among(orders, 3), strict=True):
        assert part == [player for player in whole if player < 3]
