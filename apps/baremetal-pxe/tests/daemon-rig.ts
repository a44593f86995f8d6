import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@purlin/base'
import { createBareMetalClient } from '@purlin/sdk'
import {
  DaemonProcess,
  makeDeploymentNetwork,
  removeDeploymentNetwork,
  SimulatedChassis,
} from '@purlin/simulated-chassis'

const NETWORK = { bridge: 'deploy0', taps: [] } as const
const MAIN = new URL('../src/main.ts', import.meta.url).pathname
const EXAMPLE = new URL('../../../examples/bare-metal.yaml', import.meta.url).pathname

/** Texts that must stand in no answer, log or file but where they belong. */
export const PASSWORD = 'correct-Horse-7'
export const HASH =
  '$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/'
const PUBLIC_KEY =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeN2Ynxkm1hQ0Yk8sOqzZ2dHgGJfGPzFWyMcP6nMv7z ops@example'

/** The network of examples/bare-metal.yaml with its one chassis, whose BMC is real and whose
 *  machine is a state of power alone. */
export async function makeRig() {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-bm-'))
  // dnsmasq, as a user of its own, walks through it.
  await chmod(folder, 0o755)
  const manifests = join(folder, 'manifests')
  await mkdir(join(manifests, 'media'), { recursive: true })
  await copyFile(EXAMPLE, join(manifests, 'bare-metal.yaml'))
  const write = (name: string, text: string): Promise<void> =>
    writeFile(join(manifests, name), text, { mode: 0o600 })
  await write('bmc-1.password', `${PASSWORD}\n`)
  await write('ops.hash', `${HASH}\n`)
  await write('ops.pub', `${PUBLIC_KEY}\n`)
  await write('media/debian-13.iso', 'no medium at all')
  await makeDeploymentNetwork({ ...NETWORK, address: '10.88.0.1/24' })
  const chassis = await SimulatedChassis.start({
    ...{ folder: join(folder, 'chassis'), name: 'rack1-u07', machine: false },
    ...{ ipmiPort: 9001, bmcAddress: '127.0.0.1', username: 'admin', password: PASSWORD },
    ...{ nics: [], disks: [], firmware: 'bios', loader: 'ipxe', memoryMiB: 256 },
    ...{ uuid: '0f0f0f0f-1111-2222-3333-444444444444', serial: 'SC-0007' },
  })
  const conditions = process.execArgv.filter((each) => each.startsWith('--conditions'))
  const daemon = await DaemonProcess.start({
    folder: join(folder, 'daemon'),
    command: [process.execPath, ...conditions, MAIN],
    discoveryFolder: join(folder, 'discovery'),
    deadlines: { pauseSeconds: 0.2, pauseMostSeconds: 0.4 },
  })
  // From its next start on it gives a BMC that is down up within seconds.
  const configuration = join(folder, 'daemon', 'baremetal-pxe.toml')
  const text = await readFile(configuration, 'utf8')
  await writeFile(configuration, `bmc.commandTimeoutSeconds = 3\n${text}`)
  const client = createBareMetalClient({ socketPath: daemon.socketPath })
  return {
    ...{ folder, manifests, chassis, daemon, client, write },
    manifest: join(manifests, 'bare-metal.yaml'),
    end: async (): Promise<void> => {
      await client.close()
      await daemon.stop()
      await chassis.close()
      await removeDeploymentNetwork(NETWORK)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const WAIT_LIMIT_MS = 60_000

/** Looks until there is an answer; says what was waited for when there is none. */
export async function until<Value>(
  what: string,
  look: () => Promise<Value | undefined | false>,
): Promise<Value> {
  const limitMs = systemClock.monotonicMs() + WAIT_LIMIT_MS
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (systemClock.monotonicMs() > limitMs) throw new Error(`waited in vain for ${what}`)
    await systemClock.sleep(100)
  }
}
