# Run by the shell of each job before the job's own command.

# A job's own output goes to its log; what a reader should see while it runs goes where Snakemake's does.
exec 3>&2

# A job that is killed cannot say so itself. 137: 128 + SIGKILL
trap 'if [ $? = 137 ]; then
    echo "error: a job was killed (SIGKILL); if by nobody, then by the kernel, which had no memory left: run fewer at" \
        "a time (--cores), lower the batch_size, or run where there is more of it" >&3
fi' EXIT
