# Run by the shell of each job before the job's own command.

# A job's own output goes to its log; what a reader should see while it runs goes where Snakemake's does.
exec 3>&2

# A job that a signal ends cannot say so itself; if it crashes, its log has at least where.
export PYTHONFAULTHANDLER=1
trap 'case $? in # 128 and the number of the signal
137) # SIGKILL
    echo "error: a job was killed (SIGKILL); if by nobody, then by the kernel, which had no memory left: run fewer at" \
        "a time (--cores), lower the batch_size, or run where there is more of it" >&3 ;;
132 | 134 | 135 | 136 | 139) # SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV
    echo "error: a job crashed in compiled code, of a library or of your own; the end of its log says where" >&3 ;;
esac' EXIT
