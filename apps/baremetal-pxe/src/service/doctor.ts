import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'
import type { DoctorAnswer } from '@purlin/schema'

type Finding = DoctorAnswer['findings'][number]

/** What the daemon needs of its host. */
export interface DoctorGrounds {
  /** Folders in which programs are looked for. */
  readonly path: readonly string[]
  readonly discoveryFolder: string
  readonly agentPackages: () => Promise<ReadonlyMap<string, string>>
  /** Networks that are not served, and why. */
  readonly networks: readonly { readonly name: string; readonly error?: string }[]
}

/** Programs, the Debian packages that have them, and what is not possible without. */
const PROGRAMS = [
  ['dnsmasq', 'dnsmasq-base', 'DHCP and TFTP'],
  ['ipmitool', 'ipmitool', 'BMCs over IPMI'],
  ['openssl', 'openssl', 'HTTPS for nodes'],
  ['bsdtar', 'libarchive-tools', 'installation media'],
] as const

/** Looks at what the host lacks, each with what to do. */
export async function examine(grounds: DoctorGrounds): Promise<DoctorAnswer> {
  const programs = await Promise.all(
    PROGRAMS.map(([name, pack, what]) => programFinding(grounds.path, name, pack, what)),
  )
  const discovery = await discoveryFinding(grounds.discoveryFolder)
  const packages = await agentFinding(grounds.agentPackages)
  const networks = grounds.networks.map(({ name, error }): Finding => {
    const check = `network ${name}`
    if (error === undefined) return { check, status: 'ok', found: 'DHCP and HTTP answer' }
    const advice = 'see purlin bm network get, and the daemon’s log'
    return { check, status: 'problem', found: error, advice }
  })
  return { findings: [...programs, discovery, packages, ...networks] }
}

async function programFinding(
  path: readonly string[],
  name: string,
  pack: string,
  what: string,
): Promise<Finding> {
  const places = await Promise.all(
    path.map(async (folder) => ((await isThere(join(folder, name))) ? folder : undefined)),
  )
  const found = places.find((folder) => folder !== undefined)
  if (found !== undefined) return { check: name, status: 'ok', found: join(found, name) }
  const advice = `install ${pack}; without it there is no ${what}`
  return { check: name, status: 'problem', found: 'not on this host', advice }
}

async function discoveryFinding(folder: string): Promise<Finding> {
  const check = 'discovery system'
  const [kernel, initrd] = await Promise.all(
    ['vmlinuz', 'initrd.img'].map((name) => isThere(join(folder, name))),
  )
  if (kernel && initrd) return { check, status: 'ok', found: folder }
  const found = `${folder} has no ${kernel ? 'initrd.img' : 'vmlinuz'}`
  const advice = 'build it, or set discovery.folder; no chassis can be discovered without'
  return { check, status: 'problem', found, advice }
}

async function agentFinding(packages: DoctorGrounds['agentPackages']): Promise<Finding> {
  const check = 'monitoring agent'
  const found = await packages()
  if (found.size > 0) return { check, status: 'ok', found: [...found.keys()].join(', ') }
  const advice = 'install purlin-bm-agent’s packages, or set monitoring.packages'
  return { check, status: 'notice', found: 'no package for instances to install', advice }
}

async function isThere(file: string): Promise<boolean> {
  return await access(file, constants.R_OK).then(
    () => true,
    () => false,
  )
}
