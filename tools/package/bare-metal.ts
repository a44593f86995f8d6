import { file, licence, own, type PackageContents } from './parts.ts'

/** What Debian and the RPM families call a processor. */
const ARCHITECTURES: Readonly<Record<string, readonly [deb: string, rpm: string]>> = {
  x64: ['amd64', 'x86_64'],
  arm64: ['arm64', 'aarch64'],
}

/** Where the daemon finds the agent's packages, to serve them to instances. */
const SERVED_FOLDER = '/usr/share/purlin/bm-agent'

/** The .deb and the .rpm of the agent, as {@link makePackages} has put them into the staging folder
 *  before the daemon's package is made. Pure. */
export function servedPackages(version: string): readonly string[] {
  const [deb, rpm] = ARCHITECTURES[process.arch] ?? [process.arch, process.arch]
  return [`purlin-bm-agent_${version}_${deb}.deb`, `purlin-bm-agent-${version}-1.${rpm}.rpm`]
}

/** The agent of installed systems: one static program, so that it needs nothing of any system. Its
 *  scripts need `useradd`, which every system that can be installed has: the post step uses it. */
export const bmAgentContents: PackageContents = {
  name: 'purlin-bm-agent',
  summary: 'monitoring agent of Purlin',
  description: 'Tells a deployment server how the system it runs on does, as node_exporter would.',
  files: [
    file('purlin-bm-agent', '/usr/lib/purlin/bin/purlin-bm-agent', 0o755),
    file('purlin-bm-agent.service', '/usr/lib/systemd/system/purlin-bm-agent.service'),
    licence('purlin-bm-agent'),
  ],
  requires: [],
  recommends: [],
  scripts: 'bm-agent',
}

/** The daemon of deployment networks, with the agent's packages to serve and the program of which
 *  the discovery system is made. Pure. */
export function bareMetalContents(version: string): PackageContents {
  return {
    name: 'purlin-baremetal-pxe',
    summary: 'bare metal daemon of Purlin',
    description: 'Powers, discovers and installs chassis over the network, and watches them.',
    files: [
      file('baremetal-pxe.mjs', '/usr/lib/purlin/baremetal/baremetal-pxe.mjs'),
      file('purlin-node', '/usr/lib/purlin/bin/purlin-node', 0o755),
      ...servedPackages(version).map((name) => file(name, `${SERVED_FOLDER}/${name}`)),
      file('purlin-baremetal-pxe.service', '/usr/lib/systemd/system/purlin-baremetal-pxe.service'),
      { ...file('baremetal-pxe.toml', '/etc/purlin/baremetal-pxe.toml'), configuration: true },
      licence('purlin-baremetal-pxe'),
    ],
    requires: [
      own('purlin-node', version),
      { deb: 'dnsmasq-base', rpm: 'dnsmasq' },
      { deb: 'ipxe', rpm: 'ipxe-bootimgs-x86' },
      { deb: 'pxelinux', rpm: 'syslinux-tftpboot' },
      { deb: 'syslinux-common', rpm: 'syslinux' },
      { deb: 'ipmitool', rpm: 'ipmitool' },
      { deb: 'openssl', rpm: 'openssl' },
      { deb: 'libarchive-tools', rpm: 'bsdtar' },
      { deb: 'iproute2', rpm: 'iproute' },
      { deb: 'util-linux', rpm: 'util-linux' },
      { deb: 'passwd', rpm: 'shadow-utils' },
    ],
    recommends: [
      { deb: 'purlin-cli', rpm: 'purlin-cli' },
      // What `purlin bm discovery build` needs; it fetches Debian's packages itself.
      { deb: 'kmod', rpm: 'kmod' },
    ],
    scripts: 'baremetal',
  }
}
