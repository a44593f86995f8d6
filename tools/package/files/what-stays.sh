# Says what goes on when the agent leaves; printed before its files go.
nics=$(find /sys/class/net -maxdepth 1 -name 'ptap-*' 2>/dev/null | wc -l)
if command -v nft >/dev/null && nft list table inet purlin >/dev/null 2>&1; then rules=yes; fi
if [ "$nics" -gt 0 ] || [ "${rules:-no}" = yes ]; then
  cat >&2 <<END
purlin-host-agent: without the agent everything stays as it is: $nics NICs of running machines,
their rules (nftables tables "inet purlin" and "bridge purlin"), the switch, DHCP and names of the
port groups, and the state in /var/lib/purlin. Nothing repairs or changes them any more. To take
them away, install the package again and run "purlin delete" for the machines, port groups and
switches; or: virsh destroy and undefine the machines, nft delete table inet purlin, nft delete
table bridge purlin, ovs-vsctl del-br for the switches.
END
fi
