"""Reasons of restore drills."""

from .entry import DESCRIBE, DRILL, Course, Entry, Group

_STATUS = 'kubectl get tracetrackdeployment "$NAME" -n "$NS" -o jsonpath=\'{.status.database.drill}\''

DRILLS = Group(
    "Restore drills",
    (
        Entry(
            "DrillPassed",
            Course.GOOD,
            "The latest snapshot of the database was restored to an instance of its own, that took a login, and "
            "`tracetrack check` found no fault in the data. The message says how long it took (what a real restore "
            "would take) and how old the snapshot was (what would have been lost).",
            "Nothing.",
            (_STATUS,),
            deployment=(DRILL,),
            event=True,
        ),
        Entry(
            "DrillFailed",
            Course.STAYS,
            "The last restore drill did not come to a good end: there was no snapshot, AWS would not restore it, it "
            "took longer than `spec.database.drill.timeoutMinutes`, or `tracetrack check` found faults in the data. "
            "The message says which. The database itself serves on. The instance of the drill is removed.",
            "Until it is mended, don't count on your backups. Mend what the message names, and have it tried again "
            "with the second command, as often as it takes. For faults that `tracetrack check` found, run it against "
            "the database itself: if it finds them there too, they were copied.",
            (
                DESCRIBE,
                'kubectl tracetrack drill "$NAME" -n "$NS"',
                'aws rds describe-db-snapshots --db-instance-identifier "$DB"',
                'aws rds describe-events --source-type db-instance --source-identifier "$DB-drill" --duration 1440',
                'kubectl exec -n "$NS" deploy/"$NAME"-app -- tracetrack check',
            ),
            deployment=(DRILL,),
            event=True,
        ),
        Entry(
            "DrillStarted",
            Course.PASSING,
            "A restore drill began, by its schedule or by the annotation `tracetrack.io/drill`.",
            "Nothing.",
            (_STATUS,),
            event=True,
        ),
        Entry(
            "DrillRunning",
            Course.PASSING,
            "The first restore drill of the database is under way.",
            "Nothing. A restore takes 10 to 30 minutes, a large one longer.",
            (_STATUS,),
            deployment=(DRILL,),
        ),
        Entry(
            "DrillNotRun",
            Course.PASSING,
            "Drills are declared, and none has been made so far.",
            "Nothing: it comes at the time that the message tells. The second command has one made now.",
            (_STATUS, 'kubectl tracetrack drill "$NAME" -n "$NS"'),
            deployment=(DRILL,),
        ),
        Entry(
            "DrillScheduleInvalid",
            Course.STAYS,
            "`spec.database.drill.schedule` is a moment that never comes, such as the 30th of February, or its "
            "`timeZone` is not known: no drill is made by schedule.",
            "Correct the field that the message names.",
            ('kubectl edit tracetrackdeployment "$NAME" -n "$NS"',),
            deployment=(DRILL,),
        ),
    ),
)
