import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import test from 'ava'
import type { FleetHost } from '../test/fleet/host.ts'
import { joinFleet } from '../test/fleet/join-fleet.ts'
import { FleetRig } from '../test/fleet/rig.ts'

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
const options = { timeoutMs: 20_000 }

async function eventually(holds: () => Promise<boolean>, limitMs = 30_000): Promise<boolean> {
  const untilMs = systemClock.monotonicMs() + limitMs
  for (;;) {
    if (await holds().catch(() => false)) return true
    if (systemClock.monotonicMs() > untilMs) return false
    await systemClock.sleep(50)
  }
}

/** Open vSwitch in a host's network, where its agent looks for it. */
async function startSwitch(host: FleetHost): Promise<readonly ChildProcess[]> {
  const file = (name: string): string => join(host.folder, name)
  const start = (...command: readonly string[]): ChildProcess => {
    const [program, ...args] = host.enter(command)
    return spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { stdio: 'ignore' })
  }
  const remote = `--remote=punix:${host.switchSocket}`
  await run('ovsdb-tool', ['create', file('conf.db'), SCHEMA], options)
  const quiet = ['-vconsole:off', `--log-file=${file('ovs.log')}`]
  const database = start(
    'ovsdb-server',
    ...[file('conf.db'), remote, `--unixctl=${file('ovsdb.ctl')}`, ...quiet],
  )
  await eventually(async () => (await vsctl(host, '--no-wait', 'init')) === '')
  const socket = `unix:${host.switchSocket}`
  return [database, start('ovs-vswitchd', socket, `--unixctl=${file('vswitchd.ctl')}`, ...quiet)]
}

async function vsctl({ switchSocket }: FleetHost, ...words: readonly string[]): Promise<string> {
  const { stdout } = await run('ovs-vsctl', [`--db=unix:${switchSocket}`, ...words], options)
  return stdout.trim()
}

/** A second NIC of a host; the far end is in the network that all share, or in none. */
async function addNic(host: FleetHost, name: string, joined: boolean): Promise<void> {
  const far = `${name}-far`
  const ip = async (...words: readonly string[]) => await run('ip', ['link', ...words], options)
  await ip('add', far, 'type', 'veth', 'peer', 'name', name, 'netns', host.name)
  await ip('set', far, ...(joined ? ['master', 'fabric'] : []), 'up')
  await host.run('ip', ['link', 'set', name, 'up'])
}

test.serial(
  'another agent that answers over new uplinks confirms them; uplinks that cut the host off go back',
  async (t) => {
    const rig = await FleetRig.start({ hosts: 2, members: 0 })
    t.teardown(() => rig.end())
    const [a, b] = [rig.host(0), rig.host(1)]
    await rig.startAgents()
    await joinFleet(rig)
    // The userspace datapath reads checksums as they are, so they are finished before the cable.
    await b.run('ethtool', ['-K', 'uplink', 'tx', 'off'])
    await run('ethtool', ['-K', 'fabric', 'tx', 'off'], options)
    const daemons = await startSwitch(a)
    t.teardown(() => {
      for (const daemon of daemons) daemon.kill('SIGKILL')
    })
    await addNic(a, 'spare', true)
    await addNic(a, 'cut-off', false)
    const wish = async (uplink: string, confirmSeconds: number): Promise<void> => {
      const spec = { confirmSeconds, hosts: [{ host: 'host-a', uplinks: [uplink] }] }
      await a.client.apply([{ kind: 'DistributedSwitch', name: 'dvs0', spec }])
    }
    const hasPort = async (name: string): Promise<boolean> =>
      (await vsctl(a, 'list-ports', 'dvs0')).split('\n').includes(name)
    const record = async (): Promise<string> => {
      const text = await vsctl(a, 'get', 'bridge', 'dvs0', 'external_ids:purlin\\:uplinks')
      return text.replaceAll('\\', '')
    }
    const storeIsThere = async (): Promise<boolean> =>
      (await a.client.health({ attempts: 1 })).store?.state === 'ok'

    await wish('uplink', 60)
    t.true(await eventually(async () => await hasPort('uplink')), await a.log())
    // The host's own address moves onto the switch, so that its uplinks are the only way.
    await a.run('ip', ['address', 'flush', 'dev', 'uplink'])
    await a.run('ip', ['address', 'add', `${a.address}/24`, 'dev', 'dvs0'])
    await a.run('ip', ['link', 'set', 'dvs0', 'up'])
    t.true(await eventually(async () => await storeIsThere()))

    await wish('spare', 60)
    const held = /"state":"confirmed","confirmed":\{"uplinks":\["spare"\]/
    t.true(await eventually(async () => held.test(await record())), await record())
    const isOn = async (wanted: string, ...others: readonly string[]): Promise<boolean> =>
      (await hasPort(wanted)) && !(await Promise.all(others.map(hasPort))).includes(true)
    t.true(await eventually(async () => await isOn('spare', 'uplink')))

    await wish('cut-off', 5)
    t.true(await eventually(async () => await hasPort('cut-off')))
    const back = async (): Promise<boolean> =>
      (await isOn('spare', 'cut-off')) && (await storeIsThere())
    t.true(await eventually(back, 45_000), await record())
    t.regex(await record(), /"state":"rejected","confirmed":\{"uplinks":\["spare"\]/)
  },
)
