#!/usr/bin/env bash
# Starts a Slurm cluster of one node, this machine, on loopback and without systemd; as root.
# usage: start.sh FOLDER CONTROLLER_PORT NODE_PORT, then export SLURM_CONF=FOLDER/slurm.conf
set -euo pipefail
folder=$1 host=$(hostname -s)
mkdir -p "$folder/state" "$folder/spool"

# A munged of our own, so that one of the machine's stays as it is.
dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none
chmod 600 "$folder/munge.key"
chmod 755 "$folder"
munged --force --socket="$folder/munge.socket" --key-file="$folder/munge.key" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"

# Four cores and two GPUs, whatever there really is: Slurm hands them out all the same.
printf 'Name=gpu File=%s\n' /dev/null /dev/zero > "$folder/gres.conf"

# cred_expire: a requeued job otherwise waits two minutes. OverTimeLimit, KillWait: no minute longer.
cat > "$folder/slurm.conf" <<CONF
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$2
SlurmdPort=$3
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2
KillWait=5
OverTimeLimit=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 Gres=gpu:2
PartitionName=main Nodes=$host Default=YES PriorityTier=1 GraceTime=20
PartitionName=high Nodes=$host PriorityTier=10 PreemptMode=OFF
CONF
export SLURM_CONF=$folder/slurm.conf
slurmctld
slurmd -N "$host"
for _ in $(seq 100); do
    [ "$(sinfo --noheader --format=%t --partition=main 2> /dev/null)" = idle ] && exit 0
    sleep 0.2
done
tail -n 5 "$folder"/*.log >&2
exit 1
