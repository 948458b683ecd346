#!/bin/bash
# A real SLURM of one node that lives as long as this script: bash slurm_node.sh FOLDER SCRIPT
#
# To be started as the first process of private mount, network, process and host name namespaces (unshare), as root:
# it touches nothing outside of them but FOLDER, and all of it ends with it. SCRIPT, in FOLDER, is handed to sbatch;
# the exit status is the job's.
set -euo pipefail
cd "$1"
here=$PWD

mount -t proc proc /proc
mount -t tmpfs none /run
mount -t tmpfs none /sys/fs/cgroup 2>/dev/null || true # slurmd wants to see such a folder, not to use it
hostname ntm
ip link set lo up
ip addr add 10.77.0.2/24 dev lo # names must lead to an address that is not 127.0.0.1
cat /etc/hosts >hosts 2>/dev/null || true
echo "10.77.0.2 ntm" >>hosts
mount --bind hosts /etc/hosts

(umask 077 && head -c 1024 /dev/urandom >munge.key)
munged --force --key-file="$here/munge.key" --socket="$here/munge.socket" --pid-file="$here/munged.pid" \
    --log-file="$here/munged.log" --seed-file="$here/munge.seed"

mkdir etc state spool
cat >etc/slurm.conf <<END
ClusterName=ntm
SlurmctldHost=ntm(10.77.0.2)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$here/munge.socket
CredType=cred/munge
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
SlurmctldLogFile=$here/slurmctld.log
SlurmdLogFile=$here/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=ntm NodeAddr=10.77.0.2 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ntm Default=YES MaxTime=INFINITE State=UP
END
echo "CgroupPlugin=cgroup/v1" >etc/cgroup.conf
export SLURM_CONF=$here/etc/slurm.conf
slurmctld
slurmd
for _ in $(seq 120); do
    sinfo --noheader --format=%T 2>/dev/null | grep -q idle && break
    sleep 0.5
done

status=0
sbatch --wait --nodes=1 --cpus-per-task=2 --output=job.log "$2" || status=$?
exit $status
