/** Inside a private host: one chassis from power-on to its report and to an installed system that
 *  is logged in to. Findings go to standard output. */
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import { createBareMetalClient } from '@purlin/sdk'
import { type ChassisEvent, rehearse } from '@purlin/simulated-chassis'
import { benchDaemon, builtFolder } from './daemon.ts'
import type { RoadFindings } from './findings.ts'

const order: { readonly installs: 'image' | 'media' } = JSON.parse(process.argv[2] ?? '{}')
const PASSWORD = 'of-the-benchmark'
const ADDRESS = '10.88.0.50'
const MACS = ['52:54:00:88:00:07', '52:54:00:88:00:08'] as const
const DEADLINE_MS = 60 * 60_000
const BANNER_DEADLINE_MS = 10 * 60_000
/** Words of a life that tell of a report: the second where nothing is waited for. */
const REPORTS: ReadonlySet<string> = new Set(['report', 'thenAvailable'])
const SOURCES = {
  image: `kind: Image
name: debian
spec: { family: debian, version: "13", file: ${join(builtFolder, 'debian-13.tar.zst')} }`,
  media: `kind: InstallMedia
name: debian
spec: { family: debian, version: "13", iso: ${join(builtFolder, 'debian-13-medium.tar')} }`,
} as const

const folder = await mkdtemp('/tmp/purlin-road-')
await run('chmod', ['755', folder], { timeoutMs: 10_000 })
let bannerAtMs = 0
let history: readonly { readonly event: string; readonly to: string; readonly atMs: number }[] = []
try {
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'key')], {
    timeoutMs: 30_000,
  })
  await writeFile(join(folder, 'password'), PASSWORD)
  await writeFile(join(folder, 'road.yaml'), manifest())
  await rehearse({
    folder: join(folder, 'road'),
    daemon: { ...benchDaemon, deadlines: { lingerSeconds: 1 } },
    network: { bridge: 'deploy0', address: '10.88.0.1/24' },
    chassis: {
      ...{ name: 'c1', ipmiPort: 9_001, bmcAddress: '127.0.0.1', username: 'admin' },
      ...{ password: PASSWORD, disks: [{ sizeGiB: 8, serial: 'd0' }], firmware: 'bios' },
      ...{ loader: 'ipxe', memoryMiB: order.installs === 'image' ? 1_024 : 1_536 },
      ...{ uuid: '6b1d9f70-2b1c-4b5e-8a57-0123456789ab', serial: 'SN-1' },
    },
    macs: MACS,
    connect: async (socketPath) => {
      const client = createBareMetalClient({ socketPath })
      return {
        apply: async () => void (await client.applyFile(join(folder, 'road.yaml'))),
        life: async () => {
          const life = (await client.chassis.get('c1')).status.life ?? {
            state: 'enrolled' as const,
          }
          if (life.state === 'active') {
            bannerAtMs = await untilBanner()
            history = await client.chassis.history('c1', { limit: 500 })
          }
          return life
        },
        close: async () => await client[Symbol.asyncDispose](),
      }
    },
    ...{ until: 'active', deadlineMs: DEADLINE_MS, onStep: () => {} },
    signal: new AbortController().signal,
  })
  const text = await readFile(join(folder, 'road/events.json'), 'utf8')
  process.stdout.write(JSON.stringify(findingsOf(JSON.parse(text))))
} finally {
  await rm(folder, { recursive: true, force: true })
}

function findingsOf(events: readonly ChassisEvent[]): RoadFindings {
  const firstOn = events.find(({ what }) => what === 'power 1')?.atMs ?? Number.NaN
  const reported = history.find(({ event }) => REPORTS.has(event))?.atMs ?? Number.NaN
  // The discovery system may go on to the deployment without another start of the machine.
  const begun = history.find(({ to, atMs }) => to === 'preparing' && atMs >= reported)
  const startMs = begun?.atMs ?? Number.NaN
  const states = history
    .filter(({ atMs }) => atMs >= startMs)
    .filter(({ to }, index, all) => all[index - 1]?.to !== to)
    .map(({ to, atMs }) => ({ state: to, seconds: (atMs - startMs) / 1_000 }))
  return {
    installs: order.installs,
    reportSeconds: (reported - firstOn) / 1_000,
    sshSeconds: (bannerAtMs - startMs) / 1_000,
    states,
  }
}

/** Wall time at which the SSH server of the installed system told who it is. */
async function untilBanner(): Promise<number> {
  const untilMs = systemClock.monotonicMs() + BANNER_DEADLINE_MS
  while (systemClock.monotonicMs() < untilMs) {
    const socket = connect(22, ADDRESS)
    try {
      const [banner] = await once(socket, 'data', { signal: AbortSignal.timeout(5_000) })
      if (String(banner).startsWith('SSH-')) return systemClock.nowMs()
    } catch {
      await systemClock.sleep(250)
    } finally {
      socket.destroy()
    }
  }
  throw new Error('the installed system has no SSH server')
}

function manifest(): string {
  return `kind: DeploymentNetwork
name: deploy0
spec:
  interface: deploy0
  subnet: { cidr: 10.88.0.0/24, from: 10.88.0.100, to: 10.88.0.199, gateway: 10.88.0.1 }
---
kind: Secret
name: bmc
spec: { username: admin, passwordFile: ./password }
---
kind: Chassis
name: c1
spec:
  bmc: { protocol: ipmi, address: 127.0.0.1, port: 9001, secret: bmc, cipher: 3 }
  bootMac: "${MACS[0]}"
  firmware: bios
  network: deploy0
---
${SOURCES[order.installs]}
---
kind: DeploymentTemplate
name: server
spec:
  users: [{ name: ops, sshKeys: [./key.pub], sudo: true }]
  disks:
    - match: { smallest: true, minSizeGiB: 4 }
      partitions:
        - { sizeMiB: 512, filesystem: ext4, mount: /boot }
        - { grow: true, lvm: sys }
  lvm:
    - group: sys
      volumes:
        - { name: root, sizeGiB: 3, filesystem: ext4, mount: / }
        - { name: var, grow: true, filesystem: ext4, mount: /var }
  network:
    bonds:
      - name: bond0
        mode: active-backup
        members: [{ mac: "${MACS[0]}" }, { mac: "${MACS[1]}" }]
    addresses: [{ interface: bond0, cidr: ${ADDRESS}/24, gateway: 10.88.0.1 }]
  monitoring: false
---
kind: BareMetalInstance
name: server-1
spec: { chassis: c1, template: server, source: { ${order.installs}: debian } }`
}
