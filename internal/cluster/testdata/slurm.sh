#!/bin/bash
# Trials of configs/sweeps/fsdd-temperature.yaml, 18 in all, one a task.
#SBATCH --job-name=fsdd-temperature
#SBATCH --cpus-per-task=2
#SBATCH --mem=701M
#SBATCH --output=sweeps/temperature/slurm-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --partition=cpu
#SBATCH --array=0-17%4
#SBATCH --comment="it's \"odd\" #1"
#SBATCH --exclusive

export GOMAXPROCS="${SLURM_CPUS_PER_TASK:-1}"
export CLR_BATCH=64
export 'CLR_METHOD={name: "moco", queue: 64}'
trial= warned= cancelled=
warn() { # once, for a second signal would not let it save
	[ -z "$trial" ] || [ "$warned" != yes ] || { warned=told && kill -USR1 "$trial"; }
}
trap 'warned=${warned:-yes}; warn' USR1
trap cancelled=yes TERM # which Slurm sends to clr, too
clr sweep run configs/sweeps/fsdd-temperature.yaml --out sweeps/temperature --retry --index "$SLURM_ARRAY_TASK_ID" &
trial=$!
warn
while kill -0 "$trial" 2>/dev/null; do wait "$trial"; done
wait "$trial" # once more, for its code
code=$?

# 75: stopped by a signal with a good checkpoint. 2, 3 and 4 would fail again. The rest
# may have passed: a process that was killed, a full disk.
case "$code" in
0 | 2 | 3 | 4) ;;
75) [ -n "$cancelled" ] || scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" ;;
*) [ -n "$cancelled" ] || [ "${SLURM_RESTART_COUNT:-0}" -ge 3 ] || scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" ;;
esac
exit "$code"
