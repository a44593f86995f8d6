import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import { createNetfilterDriver, type NetfilterDesired } from '@purlin/netfilter'
import { devicesOf, type PortSpec } from '@purlin/schema'
import { createVswitchDriver, type VswitchDesired } from '@purlin/vswitch'

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
const ROUNDS_MAX = 6

/** A machine's stand-in: a namespace whose eth0 is the other end of its tap. */
export interface LabMachine {
  /** Runs a program in it and answers what it printed. */
  command(program: string, ...args: readonly string[]): Promise<string>
  /** Starts a program in it that prints a line when it is ready. */
  start(program: string, ...args: readonly string[]): Promise<ChildProcess>
}

/** Open vSwitch, both network drivers and machines, on the present private host. */
export interface SwitchLab {
  /** Brings both lanes about, rules first. */
  enforce(policy: NetfilterDesired, network: VswitchDesired): Promise<void>
  machine(port: PortSpec): Promise<LabMachine>
  stop(): Promise<void>
}

/** Starts a lab in a temporary folder; everything in it ends with `stop`. */
export async function startLab(): Promise<SwitchLab> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-lab-'))
  await run('chmod', ['755', folder], { timeoutMs: 5_000 })
  await mkdir(join(folder, 'run'))
  const children = new Set<ChildProcess>()
  const start = (program: string, args: readonly string[]): ChildProcess => {
    const env = { ...process.env, OVS_RUNDIR: folder }
    const child = spawn(program, [...args], { stdio: 'ignore', env })
    children.add(child)
    return child
  }
  const socket = join(folder, 'db.sock')
  const database = join(folder, 'conf.db')
  await run('ovsdb-tool', ['create', database, SCHEMA], { timeoutMs: 10_000 })
  const control = (name: string): string => `--unixctl=${join(folder, name)}.ctl`
  start('ovsdb-server', [database, `--remote=punix:${socket}`, control('ovsdb'), '-vconsole:off'])
  await eventually(() => existsSync(socket))
  const init = [`--db=unix:${socket}`, '--no-wait', 'init']
  await run('ovs-vsctl', init, { timeoutMs: 10_000 })
  start('ovs-vswitchd', [`unix:${socket}`, control('vswitchd'), '-vconsole:off'])

  const netfilter = createNetfilterDriver({ clock: systemClock })
  const vswitch = createVswitchDriver({
    databaseSocket: socket,
    datapath: 'netdev',
    runFolder: join(folder, 'run'),
  })
  const settle = async <Observed, Step>(
    driver: {
      observe(signal: AbortSignal): Promise<Observed>
      execute(step: Step, signal: AbortSignal): Promise<void>
    },
    planOf: (observed: Observed) => readonly Step[],
  ): Promise<void> => {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const signal = AbortSignal.timeout(60_000)
      const steps = planOf(await driver.observe(signal))
      if (steps.length === 0) return
      for (const step of steps) await driver.execute(step, signal)
    }
    throw new Error(`not settled after ${ROUNDS_MAX} rounds`)
  }
  return {
    enforce: async (policy, network) => {
      await settle(netfilter, (observed) => netfilter.plan(policy, observed))
      await settle(vswitch, (observed) => vswitch.plan(network, observed))
    },
    machine: async ({ deviceKey, mac }) => {
      const holder = start('unshare', ['--net', '--', 'sleep', 'infinity'])
      const namespace = `/proc/${holder.pid}/ns/net`
      const ours = await readlink('/proc/self/ns/net')
      await eventually(async () => (await readlink(namespace).catch(() => ours)) !== ours)
      const within = (program: string, args: readonly string[]): readonly string[] => [
        `--net=${namespace}`,
        '--',
        program,
        ...args,
      ]
      const options = { timeoutMs: 60_000, acceptedExitCodes: [1, 2] }
      const command: LabMachine['command'] = async (program, ...args) =>
        (await run('nsenter', within(program, args), options)).stdout
      const conf = 'net.ipv6.conf.default'
      const settings = [`${conf}.disable_ipv6=0`, `${conf}.accept_dad=0`, `${conf}.accept_ra=1`]
      await command('sysctl', '-e', '-q', '-w', ...settings, `${conf}.router_solicitations=1`)
      const { tap, bridge } = devicesOf(deviceKey)
      const peer = ['peer', 'name', 'eth0', 'address', mac, 'netns', String(holder.pid)]
      const link = async (...words: readonly string[]): Promise<void> => {
        await run('ip', ['link', ...words], { timeoutMs: 10_000 })
      }
      await link('add', tap, 'type', 'veth', ...peer)
      await command('ethtool', '-K', 'eth0', 'tx', 'off')
      await command('ip', 'link', 'set', 'lo', 'up')
      await command('ip', 'link', 'set', 'eth0', 'up')
      await link('set', tap, 'master', bridge, 'up')
      return {
        command,
        start: async (program, ...args) => {
          const child = spawn('nsenter', [...within(program, args)], {
            stdio: ['ignore', 'pipe', 'inherit'],
          })
          children.add(child)
          await new Promise((resolve) => child.stdout.once('data', resolve))
          return child
        },
      }
    },
    stop: async () => {
      // The next suite's agent would find rules of machines that nobody unplugs.
      for (const family of ['inet', 'bridge']) {
        await run('nft', ['delete', 'table', family, 'purlin'], { timeoutMs: 10_000 })
      }
      const nothing = { switches: [], portGroups: [], ports: [] }
      await settle(vswitch, (observed) => vswitch.plan(nothing, observed)).catch(() => {})
      vswitch.close()
      netfilter.close()
      for (const child of children) child.kill('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function eventually(met: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 15_000
  while (!(await met())) {
    if (performance.now() > endMs) throw new Error('not met within 15 s')
    await systemClock.sleep(10)
  }
}
