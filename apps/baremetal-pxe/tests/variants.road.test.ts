/** Discovery by every way a chassis may boot, and by eight chassis at once. */
import test from 'ava'
import { Road, type RoadChassis, type RoadOptions } from './support/road.ts'

const DISCOVERY_MS = 20 * 60_000
const MAC = '52:54:00:88:00:07'

const ways: readonly {
  readonly title: string
  readonly chassis: Partial<RoadChassis>
  readonly biosLoader?: 'pxelinux'
}[] = [
  { title: 'BIOS, handed pxelinux.0 first', chassis: {}, biosLoader: 'pxelinux' },
  { title: 'UEFI, iPXE in the card', chassis: { firmware: 'uefi' } },
  { title: 'UEFI, the firmware itself', chassis: { firmware: 'uefi', loader: 'firmware' } },
]

async function discovered(options: RoadOptions): Promise<readonly string[]> {
  const road = await Road.open({ deadlines: { lingerSeconds: 1 }, ...options })
  try {
    const names = options.chassis.map(({ name }) => name)
    const wait = { deadlineMs: DISCOVERY_MS }
    await Promise.all(names.map((name) => road.client.chassis.waitFor(name, 'available', wait)))
    const reports = names.map(async (name) => {
      const { report } = await road.client.chassis.report(name)
      return `${report.system.serial} ${report.firmware.mode}`
    })
    return await Promise.all(reports)
  } finally {
    await road.close()
  }
}

for (const { title, chassis, biosLoader } of ways) {
  test.serial(`discovery: ${title}`, async (t) => {
    const found = await discovered({
      chassis: [{ name: 'c1', macs: [MAC], ...chassis }],
      ...(biosLoader && { biosLoader }),
    })
    t.deepEqual(found, [`SN-c1 ${chassis.firmware ?? 'bios'}`])
  })
}

test.serial('eight chassis report themselves at the same time, each for itself', async (t) => {
  const names = Array.from({ length: 8 }, (_, index) => `c${index}`)
  const chassis = names.map((name, index) => ({ name, macs: [`52:54:00:88:00:${20 + index}`] }))
  t.deepEqual(
    await discovered({ chassis }),
    names.map((name) => `SN-${name} bios`),
  )
})
