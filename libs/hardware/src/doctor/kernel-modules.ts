import { doctorCheck, type Opinion } from './check.ts'

type Presence = 'active' | 'builtIn' | 'loadable' | 'absent' | 'unknown'

export interface KernelModulesReading {
  readonly release: string
  readonly presence: Readonly<Record<string, Presence>>
}

/** What each module is for, and the switch of the kernel's configuration that builds it. */
const NEEDED = {
  bridge: { option: 'BRIDGE', purpose: 'the bridge of each NIC' },
  br_netfilter: { option: 'BRIDGE_NETFILTER', purpose: 'connection tracking on those bridges' },
  tun: { option: 'TUN', purpose: 'taps of machines' },
  veth: { option: 'VETH', purpose: 'cables to the switch' },
  nf_tables: { option: 'NF_TABLES', purpose: 'security groups' },
  nf_conntrack: { option: 'NF_CONNTRACK', purpose: 'stateful rules' },
} as const
const OPTIONAL = { openvswitch: { option: 'OPENVSWITCH' } } as const
const ALL: Readonly<Record<string, { readonly option: string }>> = { ...NEEDED, ...OPTIONAL }

/** Whether the kernel has what the network needs. */
export const kernelModules = doctorCheck<KernelModulesReading>({
  name: 'kernel-modules',
  read: async (host) => {
    const release = ((await host.readFile('/proc/sys/kernel/osrelease')) ?? '').trim()
    const folder = `/lib/modules/${release}`
    const evidence: KernelEvidence = {
      active: (await host.listFolder('/sys/module')) ?? [],
      builtIn: await host.readFile(`${folder}/modules.builtin`),
      loadable: await host.readFile(`${folder}/modules.dep`),
      configuration:
        (await host.readFile('/proc/config.gz')) ??
        (await host.readFile(`/boot/config-${release}`)),
    }
    const presence = Object.entries(ALL).map(([name, { option }]) => [
      name,
      presenceOf(name, option, evidence),
    ])
    return { release, presence: Object.fromEntries(presence) }
  },
  judge: judgeKernelModules,
})

export interface KernelEvidence {
  /** Names in /sys/module: loaded, or built in with parameters. */
  readonly active: readonly string[]
  readonly builtIn: string | undefined
  readonly loadable: string | undefined
  readonly configuration: string | undefined
}

/** Where a module is, from what the kernel and its packages say. Small kernels come without module
 *  lists and rescue systems without a configuration, so each may be missing. Pure. */
export function presenceOf(name: string, option: string, evidence: KernelEvidence): Presence {
  if (evidence.active.includes(name)) return 'active'
  const file = new RegExp(`/${name.replaceAll('_', '[_-]')}\\.ko`)
  if (evidence.builtIn !== undefined && file.test(evidence.builtIn)) return 'builtIn'
  if (evidence.loadable !== undefined && file.test(evidence.loadable)) return 'loadable'
  const setting = new RegExp(`^CONFIG_${option}=([ym])$`, 'm').exec(evidence.configuration ?? '')
  if (setting?.[1] === 'y') return 'builtIn'
  if (evidence.loadable !== undefined) return 'absent'
  if (evidence.configuration === undefined) return 'unknown'
  // Built as a module, but the list of modules is not there: its package is not installed.
  return 'absent'
}

/** Pure. */
export function judgeKernelModules({ release, presence }: KernelModulesReading): Opinion[] {
  const of = (wanted: Presence): [string, string][] =>
    Object.entries(NEEDED)
      .filter(([name]) => presence[name] === wanted)
      .map(([name, { purpose }]) => [name, `${name} (${purpose})`])
  const absent = of('absent')
  const unknown = of('unknown')
  const opinions: Opinion[] = []
  if (absent.length > 0) {
    opinions.push({
      status: 'problem',
      found: `kernel ${release} lacks ${absent.map(([, text]) => text).join(', ')}`,
      advice: `Install the modules of this kernel (its package linux-modules or kernel-modules), then: modprobe ${absent.map(([name]) => name).join(' ')}`,
    })
  }
  if (unknown.length > 0) {
    opinions.push({
      status: 'unknown',
      found: `kernel ${release} does not say whether it has ${unknown.map(([name]) => name).join(', ')}`,
    })
  }
  if (opinions.length === 0) {
    opinions.push({
      status: 'ok',
      found: `kernel ${release} has ${Object.keys(NEEDED).join(', ')}`,
    })
  }
  if (presence.openvswitch === 'absent') {
    opinions.push({
      status: 'notice',
      found: `kernel ${release} lacks openvswitch; switches use the slower datapath in user space`,
      advice: 'Install a kernel with the module openvswitch where throughput matters.',
    })
  }
  return opinions
}
