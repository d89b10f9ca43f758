"""Ends a process together with the one that started it, however that one ended."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


def when_input_ends(act: Callable[[], object]) -> None:
    """Call `act`, in a thread, once standard input is at its end: the parent has closed its side or is gone."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        act()

    threading.Thread(target=watch, name="parent", daemon=True).start()
