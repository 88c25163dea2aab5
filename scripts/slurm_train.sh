#!/usr/bin/env bash
# Trains on N nodes of G GPUs under Slurm. Before the time limit the run saves a checkpoint and is requeued to resume.
#
#   sbatch --nodes N --gpus-per-node G --cpus-per-task C --time T scripts/slurm_train.sh --config F --output DIR \
#       [KEY VALUE ...]
#
# Submit from the folder with .venv, or with torchrun on PATH; DIR must be on a file system shared by all nodes.
# Variables:
#   GPUS_PER_NODE  processes per node (default: the GPUs allocated by Slurm)
#   MAX_RESTARTS   how often torchrun restarts the processes after one has failed (default: 3)
#
#SBATCH --job-name=fairmot
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@300
# With B:, Slurm signals only this script, 300 s before the limit: time for a step and a checkpoint.
set -euo pipefail

say() {
    printf 'slurm_train.sh: %s\n' "$1" >&2
}

fail() {
    say "$1"
    exit "${2:-1}"
}

check_arguments() {
    if [[ $# -lt 4 || "$1" != --config || "$3" != --output || "${5:-}" == -* ]] || (($# % 2)); then
        say 'usage: sbatch [SBATCH OPTIONS] scripts/slurm_train.sh --config F --output DIR [KEY VALUE ...]'
        fail '--resume is added where DIR/last.pt exists' 2
    fi
    [[ -f "$2" ]] || fail "$2: no such file" 2
    [[ -n "${SLURM_JOB_ID:-}" ]] || fail 'this is no Slurm job: submit it with sbatch' 2
}

# Identifies the checkpoint: changes whenever one is written.
checkpoint() {
    ls -- "$output" >/dev/null 2>&1 || true # refreshes the NFS cache: another node may have written
    stat -c '%i %y' -- "$output/last.pt" 2>/dev/null || printf 'none\n'
}

# One torchrun per node, with the rendezvous on the first. It exits with 1 whatever the exit codes of its processes.
make_launch() {
    local nodes torchrun=torchrun resume=()
    mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
    [[ ! -x .venv/bin/torchrun ]] || torchrun=.venv/bin/torchrun
    [[ ! -e "$output/last.pt" ]] || resume=(--resume)
    launch=(
        srun --nodes="${#nodes[@]}" --ntasks-per-node=1
        --kill-on-bad-exit=0 --wait=180 # the other nodes get time to save after the first has finished
        "$torchrun" --nnodes="${#nodes[@]}" --nproc-per-node="${GPUS_PER_NODE:-${SLURM_GPUS_ON_NODE:-1}}"
        --rdzv-backend=c10d --rdzv-endpoint="${nodes[0]}:$((20000 + SLURM_JOB_ID % 10000))"
        --rdzv-id="$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}" --max-restarts="${MAX_RESTARTS:-3}"
        -m fairmot train "${@:1:4}" "${resume[@]}" "${@:5}"
    )
}

# Signals the processes of all steps and torchrun, which would restart them if it got no signal itself. Not through
# srun, which kills its processes on SIGTERM.
stop() {
    signals=$((signals + 1))
    say 'the time limit is near: saving'
    scancel --signal=TERM "$SLURM_JOB_ID" || say 'scancel failed'
}

# A signal interrupts `wait` while the process still runs: wait again.
run() {
    local pid handled code
    "${launch[@]}" &
    pid=$!
    while true; do
        handled=$signals code=0
        wait "$pid" || code=$?
        ((signals > handled)) || return "$code"
    done
}

main() {
    local before code=0
    check_arguments "$@"
    output="$4"
    signals=0
    make_launch "$@"
    before="$(checkpoint)"
    export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=180 # torchrun's default before it kills is 30 s
    export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 # otherwise restarted processes find addresses of exited ones
    [[ -z "${SLURM_CPUS_PER_TASK:-}" ]] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"
    trap stop USR1
    run || code=$?
    if ((code == 0)); then
        return
    fi
    ((signals)) || fail "ended with code $code; not queued again" "$code"
    [[ "$(checkpoint)" != "$before" ]] || fail "$output/last.pt is no newer than the start: not queued again" "$code"
    say 'queued again'
    scontrol requeue "$SLURM_JOB_ID"
}

main "$@"
