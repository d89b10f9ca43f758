import sys

from tracetrack_app.cli import main

sys.exit(main())
