#!/bin/bash
# A Slurm of one node, for as long as this runs, carries out the array of sweep.yaml: one
# trial's worker is killed, one task is warned as before a preemption, one trial diverges.
# The table is to be that of a run which nobody disturbed. Needs root and Debian's
# slurm-wlm and munge. CLR names a binary; without it one is built.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

missing=
for program in munged slurmctld slurmd sbatch; do
	command -v "$program" >/dev/null || missing="$missing $program"
done
[ "$(id -u)" = 0 ] || missing="$missing root's rights"
if [ -n "$missing" ]; then
	echo "skipped: a sweep on Slurm, for there is no$missing (apt-get install slurm-wlm munge)"
	[ "${CI:-}" != true ] || exit 1
	exit 0
fi

dir=$(mktemp -d /tmp/clr-slurm.XXXXXX)
end() {
	code=$?
	set +e
	if [ "$code" != 0 ]; then
		tail -n 30 "$dir"/*.log "$dir"/array/slurm-*.log 2>/dev/null
		squeue
	fi
	scancel --quiet --user root 2>/dev/null
	for daemon in slurmd slurmctld munged; do
		pid=$(cat "$dir/$daemon.pid" 2>/dev/null) && kill "$pid" && timeout 20 tail --pid="$pid" -f /dev/null
	done
	rm -r "$dir"
	exit "$code"
} 2>/dev/null
trap end EXIT
trap 'exit 1' INT TERM

chmod 755 "$dir"
mkdir "$dir/state" "$dir/spool"
port=$((20000 + $$ % 20000))
export SLURM_CONF=$dir/slurm.conf
cat >"$SLURM_CONF" <<CONF
ClusterName=one
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
AuthType=auth/munge
# A task that is queued again waits until its old credential is void.
AuthInfo=socket=$dir/munge.socket,cred_expire=15
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=5,batch_sched_delay=1
NodeName=localhost NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES State=UP
CONF
(umask 077 && head -c 128 /dev/urandom >"$dir/munge.key")
munged --force --socket="$dir/munge.socket" --key-file="$dir/munge.key" --pid-file="$dir/munged.pid" --seed-file="$dir/munged.seed" --log-file="$dir/munged.log"
slurmctld
slurmd -N localhost

clr=${CLR:-$dir/clr}
[ -n "${CLR:-}" ] || (cd "$here/../.." && CGO_ENABLED=0 go build -o "$clr" ./cmd/clr)

# within waits for a command to be true, for so many seconds.
within() {
	local last=$((SECONDS + $1))
	shift
	until "$@"; do
		if [ "$SECONDS" -ge "$last" ]; then
			echo "never: $*"
			return 1
		fi
		sleep 0.05
	done
}
learning() { [ -s "$dir/array/trials/000$1/run/metrics.jsonl" ]; }
over() { [ -z "$(squeue --noheader)" ]; }
of() { scontrol --oneliner show job "${job}_$1" | sed "s/.*\b$2=\([0-9]*\).*/\1/"; }
worker() { pgrep -f "^$clr sweep run .* --index $1\$"; }

job=$("$clr" sweep slurm "$here/sweep.yaml" --out "$dir/array" --submit --comment "as sbatch reads \"it\"" -- --chdir "$dir")
scontrol show job "${job}_5" | grep -q 'Comment=as sbatch reads "it"'
within 100 learning 1
kill -9 "$(worker 1)"
within 100 learning 2
kill -USR1 "$(ps -o ppid= -p "$(worker 2)" | tr -d ' ')" # the script's shell, as Slurm does; scancel --batch warns an array's task and then says that it could not
within 200 over

again=
for trial in 0 1 2 3 4 5; do
	again="$again $(of "$trial" Restarts)"
done
if [ "$again" != " 0 1 1 0 0 0" ]; then
	echo "tasks were queued again these times:$again"
	exit 1
fi
grep -q '"exit_code": 4' "$dir/array/trials/0005/trial.json"

"$clr" sweep run "$here/sweep.yaml" --out "$dir/alone" --quiet && exit 1 || [ $? = 1 ] # one trial failed
for out in array alone; do
	"$clr" sweep table "$dir/$out" >"$dir/$out.csv"
done
cmp "$dir/array.csv" "$dir/alone.csv"
echo "six trials on Slurm, one killed, one preempted, one diverged: the table of an undisturbed run ($SECONDS s)"
