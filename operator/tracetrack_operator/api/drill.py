"""`spec.database.drill`: whether a backup can be restored, tried before it has to be."""

from pydantic import ConfigDict, Field

from .model import ApiModel, Rule, StatusModel, rules

TIMEOUT_MINUTES = 180

# The rest is left to the parser of cron expressions, whose word the condition DrillPassed tells.
SCHEDULE_PATTERN = "^[0-5]?[0-9]( [A-Z0-9*,/-]+){4}$"


class DrillSpec(ApiModel):
    """The latest snapshot is restored to an instance of its own, looked through, and that instance removed.

    What serves is not touched, and its state does not depend on how a drill ends.
    """

    schedule: str | None = Field(
        default=None,
        min_length=9,
        max_length=100,
        description="When, as a cron expression: minute, hour, day of the month, month, day of the week, such as "
        "0 3 * * SUN. The minute is one number, so once an hour is the most. Absent: only when asked for by a new "
        "value of the annotation tracetrack.io/drill.",
    )
    time_zone: str | None = Field(
        default=None,
        max_length=64,
        pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
        description="IANA time zone of the schedule. Absent: UTC.",
    )
    instance_class: str | None = Field(
        default=None,
        max_length=40,
        pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$",
        description="DB instance class to restore to. Absent: that of the database, by which the time is the one that "
        "a real restore takes.",
    )
    timeout_minutes: int = Field(
        default=TIMEOUT_MINUTES,
        ge=10,
        le=1440,
        description="A drill that isn't through after this time has failed, in minutes.",
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                f"!has(self.schedule) || self.schedule.matches('{SCHEDULE_PATTERN}')",
                "spec.database.drill.schedule must be a cron expression of five fields (minute, hour, day of the "
                "month, month, day of the week) whose minute is one number: write it like 0 3 * * SUN",
                ".schedule",
            ),
            Rule(
                "!has(self.timeZone) || has(self.schedule)",
                "spec.database.drill.timeZone is that of a schedule: add spec.database.drill.schedule, or remove it",
                ".timeZone",
            ),
        )
    )


class DrillRun(StatusModel):
    """A drill that is over."""

    started_at: str = Field(default="", max_length=20, description="When it began, in UTC.")
    finished_at: str = Field(default="", max_length=20, description="When its outcome was known, in UTC.")
    snapshot: str = Field(default="", max_length=255, description="DB snapshot that was restored.")
    rto_seconds: int | None = Field(
        default=None,
        ge=0,
        description="Time from the restore's beginning until the restored database took a login, in seconds; absent "
        "where it never did.",
    )
    rpo_seconds: int | None = Field(
        default=None,
        ge=0,
        description="Age of the snapshot when the drill began, in seconds: what would have been lost with it.",
    )
    result: str = Field(default="", max_length=16, description="Passed or Failed.")
    message: str = Field(default="", max_length=1024, description="What was found.")


class RunningDrill(StatusModel):
    """A drill under way."""

    started_at: str = Field(default="", max_length=20, description="When it began, in UTC.")
    snapshot: str = Field(default="", max_length=255, description="DB snapshot that is restored.")
    step: str = Field(default="", max_length=512, description="What is being done.")


class DrillStatus(StatusModel):
    """The restore drills of the database."""

    last_run: DrillRun | None = Field(default=None, description="The last one that is over.")
    running: RunningDrill | None = Field(default=None, description="The one under way; absent when there is none.")
    next_run: str = Field(default="", max_length=20, description="When the next one begins by schedule, in UTC.")
    problem: str = Field(default="", max_length=1024, description="What keeps the present step from being done.")
