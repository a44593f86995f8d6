/** Packages of Debian 12 by what they are for; all are taken without their recommendations.
 *  `libvirt-daemon-system` is left out on purpose: it brings systemd units and a libvirtd of the
 *  host's own. */
export const debianPackages = {
  /** Libvirt, QEMU, the switch, the rules, addresses: what a sandbox runs. */
  sandbox: [
    'libvirt-daemon',
    'libvirt-daemon-driver-qemu',
    'libvirt-clients',
    'qemu-system-x86',
    'qemu-utils',
    'openvswitch-switch',
    'nftables',
    'dnsmasq-base',
    'iproute2',
    'ethtool',
    'conntrack',
    'procps',
  ],
  /** What the native parts are compiled against. */
  build: ['gcc', 'libc6-dev', 'pkg-config', 'libvirt-dev'],
  /** What makes the probe guest out of Debian's packages. */
  guest: ['kmod', 'lz4', 'cpio', 'binutils'],
  /** What makes .deb and .rpm files and tries them. */
  packaging: ['binutils', 'xz-utils', 'rpm', 'mmdebstrap'],
  /** Other people's libraries and programs that tests hold ours against. */
  reference: [
    ...['libisal-dev', 'libnbd-bin', 'fio', 'qemu-utils', 'qemu-system-common'],
    ...['netplan.io', 'ipmitool', 'openipmi'],
  ],
  /** Simulated chassis, what they boot, and what media are unpacked with. */
  bareMetal: [
    ...['ipmitool', 'openipmi', 'qemu-system-x86', 'qemu-utils', 'ipxe', 'ipxe-qemu'],
    ...['pxelinux', 'syslinux-common', 'dnsmasq-base', 'openssl', 'zstd'],
    ...['libarchive-tools', 'xorriso', 'kmod', 'prometheus-node-exporter'],
  ],
  /** UEFI, root images, the pool of an installer, and what an installed chassis is held against. */
  bareMetalLong: [
    ...['ovmf', 'mmdebstrap', 'apt-utils', 'gnupg', 'cpio', 'xz-utils', 'openssh-client'],
    'nginx-light',
  ],
  /** What brings the peers that are written in Python. */
  python: ['python3-pip', 'python3-venv'],
  /** What the peers of the erasure coding benchmark are built with. */
  benchmark: [
    ...['libisal-dev', 'gcc', 'g++', 'libc6-dev', 'make', 'python3'],
    ...['nasm', 'autoconf', 'automake', 'libtool', 'util-linux', 'golang-go'],
  ],
  /** The kernel’s caches, and the guest in which the cache’s benchmark runs them. */
  caches: ['bcache-tools', 'dmsetup', 'qemu-system-x86', 'xz-utils'],
  /** What builds for 64-bit ARM on another processor, and runs what was built. */
  cross: ['gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross', 'qemu-user'],
  /** The fleet's store, certificates, and a client that is not ours. */
  fleet: ['etcd-server', 'openssl', 'curl'],
  /** The firewall's peers in its benchmark. */
  firewalls: ['iptables', 'ipset', 'iperf3'],
} as const

export type PackageSet = keyof typeof debianPackages

/** The packages of the sets, each once, in the order of their first mention. */
export function packagesOf(sets: readonly PackageSet[]): readonly string[] {
  return [...new Set(sets.flatMap((set) => debianPackages[set]))]
}

/** Those of `wanted` that `listing` does not call installed. Shape: `listing` is lines of `NAME
 *  STATUS` as dpkg-query prints them; a name may carry `:ARCHITECTURE`. */
export function missingPackages(wanted: readonly string[], listing: string): readonly string[] {
  const installed = new Set(
    listing
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([, status]) => status === 'installed')
      .map(([name = '']) => name.split(':')[0]),
  )
  return wanted.filter((name) => !installed.has(name))
}

/** Whether an os-release file (os-release(5)) is of Debian or of something made of it. */
export function isDebianLike(osRelease: string): boolean {
  const field = (name: string): string =>
    new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(osRelease)?.[1] ?? ''
  return [field('ID'), ...field('ID_LIKE').split(' ')].includes('debian')
}
