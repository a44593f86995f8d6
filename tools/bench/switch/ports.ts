import { devicesOf } from '@purlin/schema'
import {
  createVswitchDriver,
  type PortDesired,
  type VswitchDesired,
  type VswitchDriver,
} from '@purlin/vswitch'
import { quantile } from '../quantile.ts'
import type { SwitchFindings } from './findings.ts'
import { peerPorts } from './peer-ports.ts'

const DEADLINE_MS = 10 * 60_000

const OURS = 'Purlin'
/** One call for all makes fewer: 500 ports removed by one took over ten minutes, so this flatters
 *  it. */
const SHARE_FOR_ALL = 5

type Ports = SwitchFindings['ports']
type Side = Omit<Ports['sides'][number], 'who'>

/** Makes so many ports of a switch and removes them, by turns as one plan of the agent, as a script
 *  with calls for each port, and as one with a call for all. Medians of the rounds; the scripts
 *  have one, since what a port takes them grows with the number of ports, to minutes in all. */
export async function measurePorts(
  socket: string,
  runFolder: string,
  count: number,
  rounds: number,
): Promise<Ports> {
  const looks: number[] = []
  const turns: Readonly<Record<string, () => Promise<Side>>> = {
    [OURS]: async () => {
      const { lookMs, ...side } = await purlinTurn(socket, runFolder, count)
      looks.push(lookMs)
      return side
    },
    'ovs-vsctl and ip, calls for each port': () => peerTurn(socket, count, 'each'),
    'ovs-vsctl and ip, a call for all': () =>
      peerTurn(socket, Math.ceil(count / SHARE_FOR_ALL), 'all'),
  }
  const seen = new Map<string, Side[]>()
  for (let round = 0; round < rounds; round++) {
    for (const [who, turn] of Object.entries(turns)) {
      if (round > 0 && who !== OURS) continue
      seen.set(who, [...(seen.get(who) ?? []), await turn()])
    }
  }
  const median = (sides: readonly Side[], key: keyof Side): number =>
    quantile(
      sides.map((side) => side[key]),
      0.5,
    )
  const sides = [...seen].map(([who, all]) => ({
    who,
    count: median(all, 'count'),
    madeMs: median(all, 'madeMs'),
    removedMs: median(all, 'removedMs'),
  }))
  return { rounds, sides, lookMs: quantile(looks, 0.5) }
}

async function purlinTurn(
  socket: string,
  runFolder: string,
  count: number,
): Promise<Side & { readonly lookMs: number }> {
  const driver = createVswitchDriver({ databaseSocket: socket, runFolder, datapath: 'netdev' })
  try {
    const dvs0 = { name: 'dvs0', mtu: 1500, uplinks: [] }
    const ports = Array.from({ length: count }, (_none, index) => portOf(index))
    const wanted: VswitchDesired = { switches: [dvs0], portGroups: [], ports }
    const none = { ...wanted, ports: [] }
    await settle(driver, none)
    const madeMs = await timed(() => settle(driver, wanted))
    const lookMs = await timed(() => assertSettled(driver, wanted))
    const removedMs = await timed(() => settle(driver, none))
    await assertSettled(driver, none)
    await settle(driver, { switches: [], portGroups: [], ports: [] })
    return { count, madeMs, lookMs, removedMs }
  } finally {
    driver.close()
  }
}

async function peerTurn(socket: string, count: number, way: 'each' | 'all'): Promise<Side> {
  const ports = await peerPorts(socket, count, way)
  const madeMs = await timed(ports.make)
  const removedMs = await timed(ports.remove)
  await ports.end()
  return { count, madeMs, removedMs }
}

/** One pass of the driver; steps that go together are executed together. */
export async function settle(driver: VswitchDriver, wanted: VswitchDesired): Promise<void> {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const steps = await stepsOf(driver, wanted)
  for (let start = 0; start < steps.length; ) {
    const left = steps.slice(start)
    const group = left.slice(0, driver.together(left))
    const [failed] = (await driver.executeTogether(group, signal)).values()
    if (failed !== undefined) throw failed
    start += group.length
  }
}

async function assertSettled(driver: VswitchDriver, wanted: VswitchDesired): Promise<void> {
  const left = await stepsOf(driver, wanted)
  if (left.length > 0) throw new Error(`${left.length} steps are left: ${left[0]?.summary}`)
}

async function stepsOf(driver: VswitchDriver, wanted: VswitchDesired) {
  return driver.plan(wanted, await driver.observe(AbortSignal.timeout(DEADLINE_MS)))
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now()
  await work()
  return Math.round(performance.now() - startMs)
}

function portOf(index: number): PortDesired {
  const key = (index + 1).toString(16).padStart(8, '0')
  const low = (index + 1).toString(16).padStart(4, '0')
  return {
    port: `bench-${index}.eth0`,
    portGroup: 'bench',
    switch: 'dvs0',
    vlan: 100,
    trunk: [],
    mac: `52:54:00:00:${low.slice(0, 2)}:${low.slice(2)}`,
    mtu: 1500,
    devices: devicesOf(key),
  }
}
