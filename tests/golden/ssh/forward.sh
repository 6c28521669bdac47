#!/bin/sh
# Brings the services of the virtual IP to 127.0.0.1, whenever the gateway is there.
while :; do
  echo "$(date +%T) 127.0.0.1:6443 is 10.240.0.5:6443"
  ssh -N -F /lab/ssh_config -o ExitOnForwardFailure=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -L 127.0.0.1:6443:10.240.0.5:6443 -L 127.0.0.1:6444:10.240.0.5:80 -L 127.0.0.1:6445:10.240.0.5:443 gateway
  sleep 1
done
