mkdir -p -m 755 /run/kubenet
tee /run/kubenet/before > /dev/null <<'END'
net.ipv4.ip_forward=1
END
ip link add name kubenet address 52:54:00:4c:ff:ff type bridge forward_delay 0
ip address add 10.240.0.1/24 dev kubenet
ip link set kubenet up
ip tuntap add dev kubenet-0 mode tap user me
ip link set kubenet-0 master kubenet up
ip tuntap add dev kubenet-1 mode tap user me
ip link set kubenet-1 master kubenet up
ip tuntap add dev kubenet-2 mode tap user me
ip link set kubenet-2 master kubenet up
tee /run/kubenet/nftables.conf > /dev/null <<'END'
# made anew as a whole, however often it is loaded
table ip kubenet
delete table ip kubenet
table ip kubenet {
  chain out {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 10.240.0.0/24 ip daddr != 10.240.0.0/24 masquerade
  }
  chain in {
    # other machines reach guests only by answering them
    type filter hook forward priority filter; policy accept;
    iifname != "kubenet" oifname "kubenet" ct state new drop
  }
}
END
nft -f /run/kubenet/nftables.conf
firewall-cmd --zone=trusted --add-interface=kubenet
tee /run/kubenet/dnsmasq.conf > /dev/null <<'END'
interface=kubenet
except-interface=lo
listen-address=10.240.0.1
bind-interfaces
pid-file=/run/kubenet/dnsmasq.pid
dhcp-leasefile=/run/kubenet/dnsmasq.leases
no-hosts
domain-needed
bogus-priv
dhcp-range=10.240.0.0,static,255.255.255.0
host-record=kubernetes,10.240.0.5
host-record=gateway,10.240.0.10
dhcp-host=52:54:00:4c:00:00,10.240.0.10,gateway
host-record=control0,10.240.0.11
dhcp-host=52:54:00:4c:00:01,10.240.0.11,control0
host-record=worker0,10.240.0.12
dhcp-host=52:54:00:4c:00:02,10.240.0.12,worker0
END
dnsmasq --conf-file=/run/kubenet/dnsmasq.conf
tee /etc/hosts > /dev/null <<'END'
# begin kubenet: made by prepare-host.java
10.240.0.5 kubernetes
10.240.0.10 gateway
10.240.0.11 control0
10.240.0.12 worker0
# end kubenet
END
