#!/bin/sh
# Runs a command on a GPU that no other call of this script uses: on_gpu.sh COUNT COMMAND...
# Waits where all of the COUNT GPUs are taken. Needs flock (util-linux).
set -u
count=$1
shift
locks=${TMPDIR:-/tmp}/aotgan-gpus-$(id -u)
mkdir -p "$locks"
while :; do
    gpu=0
    while [ "$gpu" -lt "$count" ]; do
        CUDA_VISIBLE_DEVICES=$gpu flock --nonblock --conflict-exit-code 75 "$locks/$gpu" "$@"
        status=$?
        [ "$status" -eq 75 ] || exit "$status"
        gpu=$((gpu + 1))
    done
    sleep 5
done
