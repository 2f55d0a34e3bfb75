"""Lists as publishers write them: few names, so that they meet again, in spellings that differ by what
matters and by what does not.
"""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from monitor.core.identity import assign_keys
from monitor.domain import Listing

NAMES = (
    "Ash Police Department", "Ash Police Dept", "ash police department", "Ashe Police Department",
    "Bay County Sheriff's Office",
    "Bay County Sheriff\u2019s Office", "Clay County Sheriff's Office", "Dell PD", "Elm Marshal",
    "Fern Constable",
)  # fmt: skip
DATES = (None, date(2025, 4, 14), date(2025, 4, 15))

listings = st.builds(
    Listing,
    name=st.sampled_from(NAMES),
    source_id=st.sampled_from([None, None, None, "1", "2"]),
    city=st.sampled_from([None, "Ash", "Bay"]),
    county=st.sampled_from([None, "Ash County", "Bay County"]),
    state=st.sampled_from(["IL", "IN", None]),
    since=st.sampled_from(DATES),
    url=st.sampled_from([None, "https://x/1", "https://x/2"]),
    attributes=st.sampled_from([(), (("TYPE", "County"),), (("TYPE", "Municipality"),)]),
    point=st.sampled_from([None, (1.0, 2.0)]),
    folder=st.sampled_from([None, "Police", "Fire"]),
)


@st.composite
def lists(draw: st.DrawFn) -> tuple[Listing, ...]:
    """A keyed list of up to 8 listings, namesakes and doubles among them."""
    return assign_keys(draw(st.lists(listings, max_size=8)), by_city=False)
