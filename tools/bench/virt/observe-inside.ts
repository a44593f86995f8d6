/** Inside a private host with a libvirtd: looks at all domains of its test driver and of QEMU, our
 *  way and virsh's by turns, then an agent with as many machines. The order is the one argument,
 *  the findings go to standard output. */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { systemClock, uuidOf } from '@purlin/base'
import { createClient } from '@purlin/sdk'
import {
  createNativeLibvirt,
  createVirtDriver,
  domainXml,
  type LibvirtPort,
  readMachineCounters,
} from '@purlin/virt'
import { useOfTree } from '../process-tree.ts'
import type { Look, ObserveFindings, ObserveSet } from './findings.ts'
import { openVirsh, type VirshShell } from './virsh-shell.ts'

interface Order {
  readonly rounds: number
  readonly looksARound: number
  readonly machines: number
  readonly guests: number
  readonly agentSeconds: number
  readonly uri: string
  readonly pidFile: string
  readonly configuration: string
  readonly socket: string
  readonly main: string
}

const CALL = { deadlineMs: 60_000 }
const ANSWER_LIMIT_MS = 60_000

const order: Order = JSON.parse(process.argv[2] ?? '{}')
const daemon = Number((await readFile(order.pidFile, 'utf8')).trim())

/** A machine of ours as a domain of the test driver. */
function testXml(name: string): string {
  const xml = domainXml({
    ...{ name, uuid: uuidOf(name), cpus: 1, memoryMiB: 64, accelerator: 'tcg', display: false },
    ...{ nics: [], serialLogFile: '/dev/null', serialSocket: `/run/${name}.serial` },
    boot: { kernel: '/dev/null', initrd: '/dev/null', commandLine: '' },
  })
  return xml.replace(/<domain type=(['"])\w+\1/, "<domain type='test'")
}

/** A guest that stands still: its QEMU answers, and uses nothing. */
function guestXml(name: string): string {
  return `<domain type='qemu'><name>${name}</name><uuid>${uuidOf(name)}</uuid>
    <memory unit='MiB'>32</memory><vcpu>1</vcpu><os><type machine='q35'>hvm</type></os>
    <devices><disk type='file' device='disk'><driver name='qemu' type='raw'/>
    <source file='/etc/os-release'/><target dev='vda' bus='virtio'/><readonly/></disk>
    <memballoon model='virtio'/></devices></domain>`
}

async function measured(looks: number, who: number, work: () => Promise<unknown>): Promise<Look> {
  const before = [await useOfTree(who), await useOfTree(daemon)] as const
  const begunMs = performance.now()
  for (let look = 0; look < looks; look++) await work()
  const ms = (performance.now() - begunMs) / looks
  const after = [await useOfTree(who), await useOfTree(daemon)] as const
  const cpuMs = (after[0].cpuMs - before[0].cpuMs) / looks
  return { ms, cpuMs, daemonCpuMs: (after[1].cpuMs - before[1].cpuMs) / looks }
}

/** Our own processor time, without the virsh processes that are our children. */
async function ours(looks: number, work: () => Promise<unknown>): Promise<Look> {
  const before = process.cpuUsage()
  const look = await measured(looks, process.pid, work)
  const { user, system } = process.cpuUsage(before)
  return { ...look, cpuMs: (user + system) / 1_000 / looks }
}

async function compare(
  name: string,
  domains: readonly string[],
  libvirt: LibvirtPort,
  virsh: VirshShell,
): Promise<ObserveSet> {
  const driver = createVirtDriver({ libvirt })
  const { signal } = new AbortController()
  const counters = async () => (await libvirt.statistics(CALL)).map(readMachineCounters)
  const everything = domains.flatMap((domain) => [`domstate ${domain}`, `dumpxml ${domain}`])
  const found: ObserveSet = {
    ...{ name, domains: domains.length, looksARound: order.looksARound },
    ...{ virsh: [], counters: [], observe: [], virshAll: [] },
  }
  const { pid = 0 } = virsh.process
  for (let round = -1; round < order.rounds; round++) {
    const { looksARound } = order
    const looks = {
      virsh: await measured(looksARound, pid, () => virsh.ask(['domstats'])),
      counters: await ours(looksARound, counters),
      virshAll: await measured(1, pid, () => virsh.ask(['domstats', ...everything])),
      observe: await ours(looksARound, () => Promise.all([driver.observe(signal), counters()])),
    }
    // The first round warms both sides up.
    if (round < 0) continue
    found.virsh.push(looks.virsh)
    found.counters.push(looks.counters)
    found.virshAll.push(looks.virshAll)
    found.observe.push(looks.observe)
  }
  return found
}

async function onTestDriver(): Promise<ObserveSet> {
  const uri = order.uri.replace(/^qemu\+unix:\/\/\/system/, 'test+unix:///default')
  const libvirt = createNativeLibvirt({ uri })
  const virsh = openVirsh(uri)
  const names = Array.from({ length: order.machines }, (_none, index) => `machine-${index}`)
  for (const name of names) {
    await libvirt.defineXml(testXml(name), CALL)
    await libvirt.start(name, CALL)
  }
  // The driver has one domain of its own, which both sides read.
  const found = await compare('test driver', names, libvirt, virsh)
  virsh.end()
  libvirt.close()
  return found
}

async function onQemu(): Promise<ObserveSet> {
  const libvirt = createNativeLibvirt({ uri: order.uri })
  const virsh = openVirsh(order.uri)
  const names = Array.from({ length: order.guests }, (_none, index) => `guest-${index}`)
  for (const name of names) {
    await libvirt.defineXml(guestXml(name), CALL)
    await libvirt.start(name, { ...CALL, paused: true })
  }
  const found = await compare('QEMU, guests that stand still', names, libvirt, virsh)
  for (const name of names) {
    await libvirt.destroy(name, CALL)
    await libvirt.undefine(name, CALL)
  }
  virsh.end()
  libvirt.close()
  return found
}

/** An agent that has defined so many machines, at rest. */
async function agentAtRest(): Promise<ObserveFindings['agent']> {
  const args = [order.main, 'serve', '--config', order.configuration]
  const agent = spawn(process.execPath, args, { stdio: 'ignore' })
  const client = createClient({ socketPath: order.socket })
  try {
    await until(async () => (await client.health({ deadlineMs: 1_000 })).status !== undefined)
    const documents = Array.from({ length: order.machines }, (_none, index) => ({
      kind: 'VirtualMachine',
      name: `machine-${index}`,
      spec: { cpus: 1, memoryMiB: 64, image: 'probe', powerState: 'stopped' },
    }))
    await (await client.apply(documents)).wait({ deadlineMs: ANSWER_LIMIT_MS * 3 })
    await systemClock.sleep(5_000)
    const before = await useOfTree(agent.pid ?? 0)
    await systemClock.sleep(order.agentSeconds * 1_000)
    const after = await useOfTree(agent.pid ?? 0)
    return {
      machines: order.machines,
      seconds: order.agentSeconds,
      cpuMs: after.cpuMs - before.cpuMs,
      residentMiB: after.residentMiB,
    }
  } finally {
    await client.close()
    agent.kill('SIGKILL')
  }
}

async function until(met: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + ANSWER_LIMIT_MS
  while (!(await met().catch(() => false))) {
    if (performance.now() > endMs) throw new Error('the agent did not answer')
    await systemClock.sleep(50)
  }
}

const findings: ObserveFindings = {
  sets: [await onTestDriver(), await onQemu()],
  agent: await agentAtRest(),
}
process.stdout.write(JSON.stringify(findings))
process.exit(0)
