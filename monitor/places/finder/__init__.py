"""The finder: what a text means that somebody typed, as ZIPs, towns, counties, states and agencies.

`search` finds one or several places, `typed_list` splits several, `one_place` finds one, `named_place` by its
name; `namesakes` decides between places of one name, `suggestions` corrects what is misspelled.
"""

from monitor.places.finder.result import PROBLEMS, FinderResult, label_area
from monitor.places.finder.search import find
from monitor.places.finder.typed_names import LONGEST

__all__ = ["LONGEST", "PROBLEMS", "FinderResult", "find", "label_area"]
