"""`snakemake` that asks for its jobs every second.

The plugin waits ten seconds more after each check that found nothing finished, and no option of it says otherwise.
"""

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)

if __name__ == "__main__":
    sys.exit(main())
