/** Inside a private host: calls of a BMC at ipmi_sim, one after another, without the pauses that
 *  real BMCs are given. Findings go to standard output. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@purlin/base'
import { createCommandPool, openBmc } from '@purlin/bmc'
import { SimulatedChassis } from '@purlin/simulated-chassis'
import { quantile } from '../quantile.ts'
import type { BmcFindings } from './findings.ts'

const order: { readonly calls: number } = JSON.parse(process.argv[2] ?? '{}')
const PASSWORD = 'of-the-benchmark'
const folder = await mkdtemp(join(tmpdir(), 'purlin-bmc-'))
await mkdir(join(folder, 'secrets'), { mode: 0o700 })
const chassis = await SimulatedChassis.start({
  ...{ folder: join(folder, 'chassis'), name: 'c1', ipmiPort: 9_001, bmcAddress: '127.0.0.1' },
  ...{ username: 'admin', password: PASSWORD, nics: [], disks: [], firmware: 'bios' },
  ...{ loader: 'ipxe', memoryMiB: 256, serial: 'c1', machine: false },
  uuid: '6b1d9f70-2b1c-4b5e-8a57-0123456789ab',
})
const bmc = openBmc({
  pool: createCommandPool(),
  target: {
    ...{ protocol: 'ipmi', name: 'c1', address: '127.0.0.1', port: 9_001, username: 'admin' },
    ...{ password: PASSWORD, folder: join(folder, 'secrets'), leastGapMs: 0 },
  },
})
try {
  const calls: BmcFindings['calls'] = []
  const measure = async (call: string, make: (turn: number) => Promise<unknown>): Promise<void> => {
    const tookMs: number[] = []
    for (let turn = 0; turn < order.calls; turn++) {
      const startMs = systemClock.monotonicMs()
      await make(turn)
      tookMs.push(systemClock.monotonicMs() - startMs)
    }
    const [p50Ms, p95Ms] = [quantile(tookMs, 0.5), quantile(tookMs, 0.95)]
    calls.push({ call, count: tookMs.length, p50Ms, p95Ms })
  }
  // The first session finds out which cipher suite the BMC has.
  await bmc.powerState()
  await measure('power state', () => bmc.powerState())
  await measure('boot device', () => bmc.bootDevice())
  await measure('set boot device', () =>
    bmc.setBootDevice({ device: 'pxe', lasting: false, firmware: 'bios' }),
  )
  await measure('power on or off', (turn) => bmc.power(turn % 2 === 0 ? 'on' : 'off'))
  process.stdout.write(JSON.stringify({ calls } satisfies BmcFindings))
} finally {
  await bmc.close()
  await chassis.close()
  await rm(folder, { recursive: true })
}
