"""A level-based reconcile engine: cache, queue, loop, plan, conditions. It knows no resource kind and no cloud."""
