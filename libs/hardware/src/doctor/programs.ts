import { doctorCheck, type Opinion } from './check.ts'

interface Program {
  readonly purpose: string
  /** Packages that carry it in Debian's and in Red Hat's families. */
  readonly deb: string
  readonly rpm: string
}

export interface ProgramsReading {
  readonly missing: readonly (Program & { readonly name: string })[]
  readonly family: 'deb' | 'rpm' | 'unknown'
}

/** Names of the packages in Debian 12; in Fedora and its kin as commonly known, not tried there. */
const PROGRAMS: Readonly<Record<string, Program>> = {
  nft: { purpose: 'security groups', deb: 'nftables', rpm: 'nftables' },
  ip: { purpose: 'links', deb: 'iproute2', rpm: 'iproute' },
  ethtool: { purpose: 'settings of links', deb: 'ethtool', rpm: 'ethtool' },
  'ovs-vswitchd': { purpose: 'switches', deb: 'openvswitch-switch', rpm: 'openvswitch' },
  dnsmasq: { purpose: 'DHCP and names', deb: 'dnsmasq-base', rpm: 'dnsmasq' },
  libvirtd: { purpose: 'virtual machines', deb: 'libvirt-daemon', rpm: 'libvirt-daemon' },
}
const EMULATORS: Readonly<Record<string, Program & { readonly name: string }>> = {
  x64: {
    name: 'qemu-system-x86_64',
    purpose: 'virtual machines',
    deb: 'qemu-system-x86',
    rpm: 'qemu-system-x86-core',
  },
  arm64: {
    name: 'qemu-system-aarch64',
    purpose: 'virtual machines',
    deb: 'qemu-system-arm',
    rpm: 'qemu-system-aarch64-core',
  },
}

/** Whether the programs Purlin calls are there. */
export const programs = doctorCheck<ProgramsReading>({
  name: 'programs',
  read: async (host) => {
    const emulator = EMULATORS[host.architecture]
    const wanted = [
      ...Object.entries(PROGRAMS).map(([name, program]) => ({ name, ...program })),
      ...(emulator === undefined ? [] : [emulator]),
    ]
    const found = await Promise.all(wanted.map(({ name }) => host.findProgram(name)))
    return {
      missing: wanted.filter((_, index) => found[index] === undefined),
      family: familyOf((await host.readFile('/etc/os-release')) ?? ''),
    }
  },
  judge: judgePrograms,
})

/** The family of packages, from os-release(5). Pure. */
export function familyOf(osRelease: string): ProgramsReading['family'] {
  const words = [...osRelease.matchAll(/^(?:ID|ID_LIKE)=(.*)$/gm)].flatMap(([, value = '']) =>
    value.replaceAll('"', '').split(/\s+/),
  )
  if (words.some((word) => word === 'debian' || word === 'ubuntu')) return 'deb'
  if (words.some((word) => ['fedora', 'rhel', 'centos', 'suse'].includes(word))) return 'rpm'
  return 'unknown'
}

/** Pure. */
export function judgePrograms({ missing, family }: ProgramsReading): Opinion[] {
  if (missing.length === 0) return [{ status: 'ok', found: 'all are there' }]
  return missing.map(({ name, purpose, deb, rpm }) => ({
    status: 'problem',
    found: `${name} is not installed (${purpose})`,
    advice: {
      deb: `apt-get install ${deb}`,
      rpm: `dnf install ${rpm}`,
      unknown: `Install the package that carries it (Debian: ${deb}, Fedora: ${rpm}).`,
    }[family],
  }))
}
