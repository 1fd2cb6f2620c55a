#!/usr/bin/env bash
# Cancels what is left and ends the daemons that start.sh started in this folder.
export SLURM_CONF=$1/slurm.conf
scancel --me --full --signal=KILL
scancel --me
for daemon in slurmd slurmctld munged; do
    pid=$(cat "$1/$daemon.pid" 2> /dev/null) && kill "$pid"
    for _ in $(seq 50); do [ -e "$1/$daemon.pid" ] && sleep 0.1; done
done
