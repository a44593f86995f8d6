import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'
import { type BareMetalClient, createBareMetalClient } from '@purlin/sdk'
import {
  type ChassisOptions,
  DaemonProcess,
  type Faults,
  makeDeploymentNetwork,
  removeDeploymentNetwork,
  SimulatedChassis,
} from '@purlin/simulated-chassis'

const REPOSITORY = join(import.meta.dirname, '../../../..')
const BUILT = join(REPOSITORY, '.purlin')
const PASSWORD = 'kX9-of-the-road'
const FIRST_IPMI_PORT = 9_001

/** What is different of a chassis of the road. */
export interface RoadChassis extends Partial<ChassisOptions> {
  readonly name: string
  /** Its cards, the boot card first. */
  readonly macs: readonly string[]
  /** False: it is there and nobody has enrolled it. */
  readonly enrolled?: boolean
}

export interface RoadOptions {
  readonly chassis: readonly RoadChassis[]
  readonly deadlines?: Readonly<Record<string, number>>
  readonly biosLoader?: 'ipxe' | 'pxelinux'
  /** What is wrong with a chassis from the beginning, by its name. */
  readonly faults?: Readonly<Record<string, Partial<Faults>>>
  /** Documents beside network, secret and chassis; paths are of the road's folder. */
  readonly manifest?: string
  /** Files that they name, by their names. */
  readonly files?: Readonly<Record<string, string>>
}

/** The whole way: a deployment network in the network namespace of this process, the daemon, and
 *  simulated chassis; the daemon is spoken to by the client that users have. */
export class Road {
  readonly folder: string
  readonly daemon: DaemonProcess
  readonly client: BareMetalClient
  readonly #chassis: ReadonlyMap<string, SimulatedChassis>
  readonly #taps: readonly string[]

  private constructor(
    folder: string,
    daemon: DaemonProcess,
    chassis: ReadonlyMap<string, SimulatedChassis>,
    taps: readonly string[],
  ) {
    this.folder = folder
    this.daemon = daemon
    this.client = createBareMetalClient({ socketPath: daemon.socketPath })
    this.#chassis = chassis
    this.#taps = taps
  }

  static async open(options: RoadOptions): Promise<Road> {
    // dnsmasq gives its rights up, and must still enter the folder.
    const folder = await mkdtemp('/tmp/road-')
    await run('chmod', ['755', folder], { timeoutMs: 10_000 })
    const cards = options.chassis.flatMap(({ macs }) => macs)
    const taps = cards.map((_, index) => `t${index}`)
    await makeDeploymentNetwork({ bridge: 'deploy0', address: '10.88.0.1/24', taps })
    const chassis = await startChassis(folder, options.chassis)
    for (const [name, faults] of Object.entries(options.faults ?? {})) {
      Object.assign(chassis.get(name)?.faults ?? {}, faults)
    }
    try {
      const daemon = await DaemonProcess.start({
        folder: join(folder, 'daemon'),
        command: [
          process.execPath,
          '--conditions=purlin-source',
          '--disable-warning=ExperimentalWarning',
          join(REPOSITORY, 'apps/baremetal-pxe/src/main.ts'),
        ],
        discoveryFolder: process.env.PURLIN_DISCOVERY_FOLDER ?? join(BUILT, 'discovery'),
        packagesFolder: join(BUILT, 'bare-metal/packages'),
        ...(options.deadlines && { deadlines: options.deadlines }),
        ...(options.biosLoader && { biosLoader: options.biosLoader }),
      })
      const road = new Road(folder, daemon, chassis, taps)
      await road.#enrol(options)
      return road
    } catch (thrown) {
      for (const each of chassis.values()) await each.close()
      throw thrown
    }
  }

  /** The simulated chassis of that name. */
  chassis(name: string): SimulatedChassis {
    const found = this.#chassis.get(name)
    if (found === undefined) throw new Error(`${name} is no chassis of this road`)
    return found
  }

  /** Presses the power button of a chassis that the daemon does not know, with its boot device set
   *  to the network. */
  async startStranger(name: string): Promise<void> {
    for (const words of [
      ['chassis', 'bootdev', 'pxe'],
      ['chassis', 'power', 'on'],
    ]) {
      const { ipmiPort } = this.chassis(name).options
      const session = ['-I', 'lanplus', '-C', '3', '-H', '127.0.0.1', '-p', `${ipmiPort}`]
      const all = [...session, '-U', 'admin', '-P', PASSWORD, ...words]
      await run('ipmitool', all, { timeoutMs: 60_000 })
    }
  }

  async close(): Promise<void> {
    await this.client[Symbol.asyncDispose]()
    await this.daemon.stop()
    for (const each of this.#chassis.values()) await each.close()
    await removeDeploymentNetwork({ bridge: 'deploy0', taps: this.#taps })
    if (process.env.PURLIN_KEEP_ROAD === undefined) await rm(this.folder, { recursive: true })
  }

  async #enrol({ chassis, manifest = '', files = {} }: RoadOptions): Promise<void> {
    await writeFile(join(this.folder, 'bmc.password'), PASSWORD, { mode: 0o600 })
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(this.folder, name), content)
    }
    const documents = [
      `kind: DeploymentNetwork
name: deploy0
spec:
  interface: deploy0
  subnet: { cidr: 10.88.0.0/24, from: 10.88.0.100, to: 10.88.0.199, gateway: 10.88.0.1 }
---
kind: Secret
name: bmc
spec: { username: admin, passwordFile: ./bmc.password }`,
      ...chassis
        .filter(({ enrolled }) => enrolled !== false)
        .map((each) => documentOf(each, this.chassis(each.name).options)),
      ...(manifest === '' ? [] : [manifest]),
    ]
    const file = join(this.folder, 'road.yaml')
    await writeFile(file, documents.join('\n---\n'))
    await this.client.applyFile(file)
  }
}

async function startChassis(
  folder: string,
  wanted: readonly RoadChassis[],
): Promise<ReadonlyMap<string, SimulatedChassis>> {
  const started = new Map<string, SimulatedChassis>()
  let card = 0
  for (const [index, { name, macs, enrolled: _, ...change }] of wanted.entries()) {
    const nics = macs.map((mac) => ({ mac, tap: `t${card++}` }))
    await mkdir(join(folder, name))
    const last = (index + 1).toString(16).padStart(12, '0')
    const chassis = await SimulatedChassis.start({
      ...{ folder: join(folder, name), name, nics, ipmiPort: FIRST_IPMI_PORT + index },
      ...{ bmcAddress: '127.0.0.1', username: 'admin', password: PASSWORD },
      ...{ disks: [{ sizeGiB: 8, serial: `${name}-d0` }], firmware: 'bios', loader: 'ipxe' },
      ...{ memoryMiB: 768, uuid: `6b1d9f70-2b1c-4b5e-8a57-${last}`, serial: `SN-${name}` },
      ...change,
    })
    started.set(name, chassis)
  }
  return started
}

function documentOf({ name, macs }: RoadChassis, { ipmiPort, firmware }: ChassisOptions): string {
  return `kind: Chassis
name: ${name}
spec:
  bmc: { protocol: ipmi, address: 127.0.0.1, port: ${ipmiPort}, secret: bmc, cipher: 3 }
  bootMac: "${macs[0]}"
  firmware: ${firmware}
  network: deploy0`
}
