"""The calls that stations, pages and scripts of the existing system make, in its shapes: a module for each concern."""

from tracetrack_app.http.legacy import (
    accounts,
    bags,
    bill_scans,
    bills,
    eod,
    exports,
    imports,
    lookup,
    pages_plain,
    returns,
    scanning,
    statistics,
    twofactor,
    users,
    v2,
    vitals,
)

ROUTES = [
    *accounts.ROUTES,
    *twofactor.ROUTES,
    *users.ROUTES,
    *scanning.ROUTES,
    *statistics.ROUTES,
    *bills.ROUTES,
    *bill_scans.ROUTES,
    *eod.ROUTES,
    *lookup.ROUTES,
    *bags.ROUTES,
    *vitals.ROUTES,
    *returns.ROUTES,
    *v2.ROUTES,
    *pages_plain.ROUTES,
    *imports.ROUTES,
    *exports.ROUTES,
]
