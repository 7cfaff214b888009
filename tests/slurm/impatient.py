"""Run `snakemake`, checking the state of its jobs every second.

By default the plugin waits ten seconds longer after each check without a finished job. No option changes this.
"""

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)

if __name__ == "__main__":
    sys.exit(main())
