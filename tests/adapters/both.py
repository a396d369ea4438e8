"""Values of headers that amazon-transcribe and smithy both take; the sized integers of each are classes of its own."""

from __future__ import annotations

import datetime

from hypothesis import strategies as st

UTC = datetime.timezone.utc

PLAIN_VALUES = st.one_of(
    st.booleans(),
    st.binary(max_size=50),
    st.text(max_size=20),
    st.uuids(),
    st.datetimes(datetime.datetime(1971, 1, 1)),
    st.datetimes(timezones=st.sampled_from([UTC, datetime.timezone(datetime.timedelta(hours=-7))])),
)
