#!/bin/sh
# Brings the services of the virtual IP to 127.0.0.1: a node carries them until it ends, then
# the next one does.
while :; do
  for node in worker0 worker1 worker2 gateway; do
    echo "$(date +%T) carried by $node"
    ssh -N -F /lab/ssh_config -o ExitOnForwardFailure=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -L 127.0.0.1:6443:10.240.0.5:6443 -L 127.0.0.1:6444:10.240.0.5:80 -L 127.0.0.1:6445:10.240.0.5:443 "$node"
  done
  sleep 1
done
