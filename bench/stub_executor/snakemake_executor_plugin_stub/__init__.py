"""An executor for `bench/scaling.py`. Every job finishes at once and leaves empty files and folders, so only the cost
of Snakemake itself is measured. Snakemake finds the plug-in by its name if the parent folder is on PYTHONPATH.
"""

import sys
from pathlib import Path

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=False,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
)


class Executor(RealExecutor):
    def run_job(self, job: JobExecutorInterface) -> None:
        made = SubmittedJobInfo(job=job)
        self.report_job_submission(made)
        for file in [*job.output, *job.log, *([job.benchmark] if job.benchmark else [])]:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            if getattr(file, "is_directory", False):
                Path(file).mkdir(exist_ok=True)
            else:
                Path(file).touch()
        self.report_job_success(made)

    # The interface requires these of every executor; only executors that start processes use them.
    cores = property(lambda self: 1)

    def get_exec_mode(self) -> str:
        return "default"

    def get_python_executable(self) -> str:
        return sys.executable

    def cancel(self) -> None:
        pass

    def shutdown(self) -> None:
        pass
