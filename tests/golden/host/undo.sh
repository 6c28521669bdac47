tee /etc/hosts > /dev/null <<'END'
(what was there)
END
sh -c 'kill PID; while grep -qs dnsmasq /proc/PID/cmdline; do sleep 0.1; done'
nft delete table ip kubenet
ip link delete kubenet
ip link delete kubenet-0
ip link delete kubenet-1
ip link delete kubenet-2
sysctl -q -w net.ipv4.ip_forward=0
rm -r /run/kubenet
# done: the host is as it was
