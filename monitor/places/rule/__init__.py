"""The placement rule: which places an agency serves, by its name, address and point in its state's table.

`locate` tries the steps in order; the others are steps for one kind of agency each.
"""

from monitor.places.rule.locate import locate_in

__all__ = ["locate_in"]
