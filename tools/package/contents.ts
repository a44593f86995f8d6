import { bareMetalContents, bmAgentContents } from './bare-metal.ts'
import { addon, file, licence, own, type PackageContents } from './parts.ts'

/** The packages of Purlin. The folders below /usr/lib/purlin are those that the programs expect
 *  around themselves: the agent starts ../services/speak.js, and the command reads its version from
 *  ../../package.json. Pure. Shape: `version` is x.y.z. */
export function packageContents(version: string): readonly PackageContents[] {
  const node: PackageContents = {
    name: 'purlin-node',
    summary: 'JavaScript runtime of Purlin',
    description: 'Node.js as the programs of Purlin need it, beside whatever the system has.',
    files: [
      file('node', '/usr/lib/purlin/bin/node', 0o755),
      file('package.json', '/usr/lib/purlin/package.json'),
      file('node-licence', '/usr/share/doc/purlin-node/copyright'),
    ],
    requires: [
      { deb: 'libc6 (>= 2.34)', rpm: 'glibc >= 2.34' },
      { deb: 'libstdc++6', rpm: 'libstdc++' },
      { deb: 'libgcc-s1', rpm: 'libgcc' },
    ],
    recommends: [],
    scripts: undefined,
  }
  const agent: PackageContents = {
    name: 'purlin-host-agent',
    summary: 'host agent of Purlin',
    description:
      'Turns security groups into nftables and drives Open vSwitch and libvirt on this host.',
    files: [
      file('host-agent.mjs', '/usr/lib/purlin/agent/host-agent.mjs'),
      file('virt.node', '/usr/lib/purlin/agent/virt.node'),
      addon('netlink.node', '/usr/lib/purlin/agent', 'netlink-binding'),
      file('speak.js', '/usr/lib/purlin/services/speak.js'),
      file('purlin-host-agent.service', '/usr/lib/systemd/system/purlin-host-agent.service'),
      file('purlin-restore.service', '/usr/lib/systemd/system/purlin-restore.service'),
      { ...file('host-agent.toml', '/etc/purlin/host-agent.toml'), configuration: true },
      licence('purlin-host-agent'),
    ],
    requires: [
      own('purlin-node', version),
      { deb: 'nftables', rpm: 'nftables' },
      { deb: 'iproute2', rpm: 'iproute' },
      { deb: 'ethtool', rpm: 'ethtool' },
      { deb: 'conntrack', rpm: 'conntrack-tools' },
      { deb: 'openvswitch-switch', rpm: 'openvswitch' },
      { deb: 'dnsmasq-base', rpm: 'dnsmasq' },
      { deb: 'libvirt0', rpm: 'libvirt-libs' },
      { deb: 'openssl', rpm: 'openssl' },
      { deb: 'util-linux', rpm: 'util-linux' },
      { deb: 'passwd', rpm: 'shadow-utils' },
    ],
    recommends: [
      { deb: 'libvirt-daemon-system', rpm: 'libvirt-daemon' },
      { deb: 'qemu-system-x86', rpm: 'qemu-kvm' },
      { deb: 'purlin-cli', rpm: 'purlin-cli' },
    ],
    scripts: 'agent',
  }
  const cli: PackageContents = {
    name: 'purlin-cli',
    summary: 'command line of Purlin',
    description:
      'The purlin command: apply, plan, get, describe, events, vm, sg, explain, pool, cache, ec, doctor.',
    files: [
      file('purlin', '/usr/bin/purlin', 0o755),
      file('purlin.mjs', '/usr/lib/purlin/cli/bin/purlin.mjs'),
      addon('ec.node', '/usr/lib/purlin/cli/bin', 'ec-binding'),
      addon('block.node', '/usr/lib/purlin/cli/bin', 'block-binding'),
      addon('cache.node', '/usr/lib/purlin/cli/bin', 'cache-binding'),
      licence('purlin-cli'),
    ],
    requires: [own('purlin-node', version)],
    recommends: [],
    scripts: undefined,
  }
  const blockDaemon: PackageContents = {
    name: 'purlin-blockd',
    summary: 'block daemon of Purlin',
    description: "Serves volumes on pools of this host's disks over NBD.",
    files: [
      file('purlin-blockd', '/usr/lib/purlin/bin/purlin-blockd', 0o755),
      file('purlin-blockd.service', '/usr/lib/systemd/system/purlin-blockd.service'),
      file('purlin-blockd.path', '/usr/lib/systemd/system/purlin-blockd.path'),
      file('purlin-map.service', '/usr/lib/systemd/system/purlin-map.service'),
      licence('purlin-blockd'),
    ],
    requires: [
      own('purlin-host-agent', version),
      { deb: 'libc6 (>= 2.34)', rpm: 'glibc >= 2.34' },
      { deb: 'libgcc-s1', rpm: 'libgcc' },
      { deb: 'kmod', rpm: 'kmod' },
      { deb: 'passwd', rpm: 'shadow-utils' },
    ],
    recommends: [{ deb: 'purlin-cli', rpm: 'purlin-cli' }],
    scripts: 'blockd',
  }
  return [node, agent, cli, blockDaemon, bmAgentContents, bareMetalContents(version)]
}
