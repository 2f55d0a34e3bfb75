"""The composition root: from `Settings` to the parts that faces, loops and commands use.

`Components` holds the parts of one configuration on one database; expensive ones are built on first use. Each
face has `create(components)`, and the commands in `cli` tie faces, loops and processes together. This module
imports no face.
"""

from __future__ import annotations

from monitor.app.components import Components, read_disk
from monitor.app.database import (
    describe_missing_database,
    now,
    open_database,
    open_keys,
    open_site_database,
    open_tombstones,
    process_name,
)
from monitor.app.delivering import (
    MAILBOX_SENDER,
    canary_address,
    configured_channels,
    has_bot,
    message_sender,
    notice_ways,
    open_channels,
    operator_addresses,
    public_addresses,
    render_message,
    sample_alert,
    sender_address,
)
from monitor.app.due_work import (
    drain_channels,
    dump_record,
    follow_channels,
    forget_copies,
    queue_periodic,
    queue_signups,
    send_due,
)
from monitor.app.watching import (
    load_gazetteer,
    open_agreement_keeper,
    open_fetcher,
    open_parser,
    polled_source,
)

__all__ = [
    "MAILBOX_SENDER",
    "Components",
    "canary_address",
    "configured_channels",
    "describe_missing_database",
    "drain_channels",
    "dump_record",
    "follow_channels",
    "forget_copies",
    "has_bot",
    "load_gazetteer",
    "message_sender",
    "notice_ways",
    "now",
    "open_agreement_keeper",
    "open_channels",
    "open_database",
    "open_fetcher",
    "open_keys",
    "open_parser",
    "open_site_database",
    "open_tombstones",
    "operator_addresses",
    "polled_source",
    "process_name",
    "public_addresses",
    "queue_periodic",
    "queue_signups",
    "read_disk",
    "render_message",
    "sample_alert",
    "send_due",
    "sender_address",
]
