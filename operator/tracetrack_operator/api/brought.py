"""`spec.mail` and `spec.endOfDay`: Secrets of yours that the application works with."""

from pydantic import Field

from .meta import LocalObjectReference
from .model import ApiModel


class MailSpec(ApiModel):
    """The mail server that password resets and the end-of-day report go through."""

    secret_ref: LocalObjectReference = Field(
        description="Secret with the keys host and from (the sender's address), and optionally port, tls (starttls, "
        "tls or none; default starttls), username, password and ca.crt (PEM)."
    )


class EndOfDaySpec(ApiModel):
    """The call by which a scheduler has the end-of-day report sent: POST /api/bill_summary/schedule_eod."""

    secret_ref: LocalObjectReference = Field(
        description="Secret with the key secret, of at least 16 bytes, which the scheduler sends as X-EOD-Secret."
    )
