/** Inside a private host: the daemon with many enrolled chassis whose power is polled. One ipmi_sim
 *  answers for all of them: every address of 10.9.0.0/16 is this host's own, and it listens at
 *  each. Findings go to standard output. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import { createBareMetalClient } from '@purlin/sdk'
import { DaemonProcess, makeDeploymentNetwork, SimulatedChassis } from '@purlin/simulated-chassis'
import { residentMiB, useOfTree } from '../process-tree.ts'
import { benchDaemon } from './daemon.ts'
import type { MemoryFindings } from './findings.ts'

const order: { readonly chassis: number } = JSON.parse(process.argv[2] ?? '{}')
const PASSWORD = 'of-the-benchmark'
const MINUTE_MS = 60_000
const POLL_MS = 500
const LISTS = 20
const LIST_DEADLINE_MS = 5 * MINUTE_MS
const VERIFY_DEADLINE_MS = 30 * MINUTE_MS

const folder = await mkdtemp('/tmp/purlin-memory-')
await run('chmod', ['755', folder], { timeoutMs: 10_000 })
await makeDeploymentNetwork({ bridge: 'deploy0', address: '10.88.0.1/16', taps: [] })
const local = ['route', 'add', 'local', '10.9.0.0/16', 'dev', 'lo']
await run('ip', local, { timeoutMs: 10_000 })
const bmc = await SimulatedChassis.start({
  ...{ folder: join(folder, 'bmc'), name: 'all', ipmiPort: 623, bmcAddress: '0.0.0.0' },
  ...{ username: 'admin', password: PASSWORD, nics: [], disks: [], firmware: 'bios' },
  ...{ loader: 'ipxe', memoryMiB: 256, serial: 'all', machine: false },
  uuid: '6b1d9f70-2b1c-4b5e-8a57-0123456789ab',
})
// A chassis that is found off would be discovered.
bmc.faults.reportedPower = 'on'
const daemon = await DaemonProcess.start({
  ...benchDaemon,
  ...{ folder: join(folder, 'daemon'), pollSeconds: MINUTE_MS / 1_000 },
})
const client = createBareMetalClient({ socketPath: daemon.socketPath })
try {
  const use = () => useOfTree(daemon.processId ?? 0)
  const ownMiB = () => residentMiB(daemon.processId ?? 0)
  const emptyMiB = await ownMiB()
  await writeFile(join(folder, 'password'), PASSWORD)
  await writeFile(join(folder, 'all.yaml'), manifest())
  await client.applyFile(join(folder, 'all.yaml'))
  const untilMs = systemClock.monotonicMs() + VERIFY_DEADLINE_MS
  const isVerified = async (): Promise<boolean> =>
    (await client.chassis.list({ deadlineMs: LIST_DEADLINE_MS })).every(
      ({ status }) => status.life?.state === 'manageable',
    )
  while (!(await isVerified())) {
    if (systemClock.monotonicMs() > untilMs) throw new Error('not every chassis was verified')
    await systemClock.sleep(POLL_MS * 4)
  }
  const [enrolled, enrolledMiB] = [await use(), await ownMiB()]
  const answersBefore = bmc.answers
  await systemClock.sleep(MINUTE_MS)
  const [polled, polledMiB] = [await use(), await ownMiB()]
  const answersAMinute = bmc.answers - answersBefore
  const lists: number[] = []
  for (let index = 0; index < LISTS; index++) {
    const beganMs = systemClock.monotonicMs()
    await client.chassis.list({ deadlineMs: LIST_DEADLINE_MS })
    lists.push(systemClock.monotonicMs() - beganMs)
  }
  const findings: MemoryFindings = {
    ...{ chassis: order.chassis, emptyMiB, enrolledMiB, polledMiB, answersAMinute },
    cpuSeconds: (polled.cpuMs - enrolled.cpuMs) / 1_000,
    longestListMs: Math.max(...lists),
  }
  process.stdout.write(JSON.stringify(findings))
} finally {
  await client[Symbol.asyncDispose]()
  await daemon.stop()
  await bmc.close()
  await rm(folder, { recursive: true })
}

function manifest(): string {
  const head = `kind: DeploymentNetwork
name: deploy0
spec:
  interface: deploy0
  subnet: { cidr: 10.88.0.0/16, from: 10.88.1.1, to: 10.88.99.254 }
---
kind: Secret
name: bmc
spec: { username: admin, passwordFile: ./password }`
  const chassis = Array.from({ length: order.chassis }, (_, index) => {
    const [high, low] = [Math.floor(index / 250), (index % 250) + 1]
    const last = [high, low].map((part) => part.toString(16).padStart(2, '0')).join(':')
    return `kind: Chassis
name: c${index}
spec:
  bmc: { protocol: ipmi, address: 10.9.${high}.${low}, port: 623, secret: bmc, cipher: 3 }
  bootMac: "52:54:00:88:${last}"
  firmware: bios
  network: deploy0`
  })
  return [head, ...chassis].join('\n---\n')
}
