"""A change that a rule forbids: what clients are told when it is not a scan (a refused scan is a ledger entry)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Rule(StrEnum):
    """Stable names, sent to clients as the problem's type."""

    BAG_NOT_FOUND = "bag_not_found"
    BAG_EXISTS = "bag_exists"
    BAG_IN_USE = "bag_in_use"
    BAG_HAS_HISTORY = "bag_has_history"
    WRONG_BAG_TYPE = "wrong_bag_type"
    PARENT_EMPTY = "parent_empty"
    PARENT_SHORT = "parent_short"
    PARENT_COMPLETED = "parent_completed"
    PARENT_OPEN = "parent_open"
    CHILDREN_REFUSED = "children_refused"
    CAPACITY_BELOW_CONTENT = "capacity_below_content"
    BILL_NOT_FOUND = "bill_not_found"
    BILL_EXISTS = "bill_exists"
    BILL_EMPTY = "bill_empty"
    BILL_CLOSED = "bill_closed"
    BILL_OPEN = "bill_open"
    NOT_ON_BILL = "not_on_bill"
    ON_NO_BILL = "on_no_bill"
    ALREADY_RETURNED = "already_returned"
    TICKET_NOT_FOUND = "ticket_not_found"
    TICKET_EXISTS = "ticket_exists"
    TICKET_CLOSED = "ticket_closed"
    TICKET_EMPTY = "ticket_empty"
    PRODUCT_NOT_FOUND = "product_not_found"
    PRODUCT_EXISTS = "product_exists"
    PRODUCT_IN_USE = "product_in_use"
    AREA_NOT_FOUND = "area_not_found"
    AREA_EXISTS = "area_exists"
    AREA_IN_USE = "area_in_use"


NOT_FOUND = frozenset(rule for rule in Rule if rule.endswith("_not_found"))


class RuleError(Exception):
    """Nothing was changed. The message names the thing and the remedy; `fields` are further facts for the client."""

    def __init__(self, rule: Rule, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.rule = rule
        self.fields = fields
