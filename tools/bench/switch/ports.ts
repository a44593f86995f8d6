import { devicesOf } from '@purlin/schema'
import {
  createVswitchDriver,
  type PortDesired,
  type VswitchDesired,
  type VswitchDriver,
} from '@purlin/vswitch'
import type { SwitchFindings } from './findings.ts'

const DEADLINE_MS = 10 * 60_000

/** Makes so many ports of a switch, looks at them once, and removes them. */
export async function measurePorts(
  socket: string,
  runFolder: string,
  count: number,
): Promise<SwitchFindings['ports']> {
  const driver = createVswitchDriver({ databaseSocket: socket, runFolder, datapath: 'netdev' })
  try {
    const dvs0 = { name: 'dvs0', mtu: 1500, uplinks: [] }
    const ports = Array.from({ length: count }, (_none, index) => portOf(index))
    const wanted: VswitchDesired = { switches: [dvs0], portGroups: [], ports }
    await settle(driver, { ...wanted, ports: [] })
    const madeMs = await timed(() => settle(driver, wanted))
    const lookMs = await timed(async () => {
      const left = await stepsOf(driver, wanted)
      if (left.length > 0) throw new Error(`${left.length} steps are left of ${count} ports`)
    })
    const removedMs = await timed(() => settle(driver, { ...wanted, ports: [] }))
    const left = (await stepsOf(driver, { ...wanted, ports: [] })).length
    await settle(driver, { switches: [], portGroups: [], ports: [] })
    return { count, madeMs, lookMs, removedMs, left }
  } finally {
    driver.close()
  }
}

/** One pass of the driver. */
export async function settle(driver: VswitchDriver, wanted: VswitchDesired): Promise<void> {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  for (const step of await stepsOf(driver, wanted)) await driver.execute(step, signal)
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
