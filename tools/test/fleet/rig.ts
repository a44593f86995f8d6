import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'
import { type Identity, issueIdentity } from '@purlin/store'
import { TestEtcd } from './etcd.ts'
import { FleetHost } from './host.ts'

export interface FleetRigOptions {
  readonly hosts: number
  /** Members of etcd: 1 if absent, 0 for none. */
  readonly members?: number
  /** false: each host keeps a SQLite file of its own, and etcd only stands there. */
  readonly joined?: boolean
}

const LETTERS = 'abcdefgh'
const FABRIC = 'fabric'
const NETWORK = '10.90.0'
const TIMEOUT_MS = 10_000

/** Several hosts on one etcd, inside the private host that the test runs in: each host is a network
 *  namespace with a cable `uplink` to the bridge `fabric`, which has the address that etcd listens
 *  at. Agents are real ones, from source; none is started yet. */
export class FleetRig implements AsyncDisposable {
  readonly folder: string
  etcd: TestEtcd | undefined
  readonly #hosts: FleetHost[] = []
  #joined = false

  private constructor(folder: string) {
    this.folder = folder
  }

  get hosts(): readonly FleetHost[] {
    return this.#hosts
  }

  static async start({ hosts, members = 1, joined = true }: FleetRigOptions): Promise<FleetRig> {
    const rig = new FleetRig(await mkdtemp('/tmp/fleet-'))
    try {
      await ip('link', 'add', FABRIC, 'type', 'bridge')
      await ip('address', 'add', `${NETWORK}.254/24`, 'dev', FABRIC)
      await ip('link', 'set', FABRIC, 'up')
      const folder = join(rig.folder, 'etcd')
      const address = `${NETWORK}.254`
      if (members > 0) rig.etcd = await TestEtcd.start({ folder, members, address })
      rig.#joined = members > 0 && joined
      for (let index = 0; index < hosts; index++) {
        const host = await rig.#addHost(index)
        if (rig.etcd === undefined || !joined) continue
        host.extraConfiguration = await storeConfiguration(host, rig.etcd)
      }
      return rig
    } catch (thrown) {
      await rig.end()
      throw thrown
    }
  }

  async #addHost(index: number): Promise<FleetHost> {
    const letter = LETTERS[index] ?? ''
    const name = `host-${letter}`
    const address = `${NETWORK}.${index + 1}`
    const host = new FleetHost({ name, folder: join(this.folder, name), address })
    this.#hosts.push(host)
    const cable = cableOf(host)
    await ip('netns', 'add', name)
    await ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', name)
    await ip('link', 'set', cable, 'master', FABRIC, 'up')
    for (const device of ['lo', 'uplink']) await ip('-n', name, 'link', 'set', device, 'up')
    await ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'uplink')
    return host
  }

  /** Starts an etcd whose members have the certificates of a fleet's authority, as a fleet is set
   *  up by hand. */
  async startEtcd(server: Identity, ca: string): Promise<readonly string[]> {
    const folder = join(this.folder, 'etcd')
    this.etcd = await TestEtcd.start({ folder, address: `${NETWORK}.254`, given: { server, ca } })
    return this.etcd.access.endpoints
  }

  /** The host at `index`, from 0. */
  host(index: number): FleetHost {
    const host = this.hosts[index]
    if (host === undefined) throw new RangeError(`the rig has no host ${index}`)
    return host
  }

  /** Starts the agents of all hosts; in a fleet, until each knows the others. */
  async startAgents(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.startAgent()))
    if (!this.#joined) return
    await Promise.all(this.hosts.map((host) => host.knows(this.hosts.length)))
  }

  /** Ends agents and etcd and takes away what the rig made. */
  async end(): Promise<void> {
    for (const host of this.#hosts) {
      await host.client.close()
      await host.stopAgent('SIGKILL')
      // A namespace takes its devices along some time after it is gone.
      await removed(['link', 'del', cableOf(host)])
      await removed(['netns', 'del', host.name])
    }
    await this.etcd?.stop()
    await removed(['link', 'del', FABRIC])
    await rm(this.folder, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }
}

function cableOf({ name }: FleetHost): string {
  return name.replace('host', 'cable')
}

async function ip(...args: readonly string[]): Promise<void> {
  await run('ip', args, { timeoutMs: TIMEOUT_MS })
}

/** Takes something away; what is not there is no error. */
async function removed(args: readonly string[]): Promise<void> {
  await run('ip', args, { timeoutMs: TIMEOUT_MS, acceptedExitCodes: [1, 2] })
}

/** Gives a host a certificate that etcd takes, and says so in TOML. */
export async function storeConfiguration(host: FleetHost, etcd: TestEtcd): Promise<string> {
  await mkdir(host.folder, { recursive: true, mode: 0o711 })
  const file = (name: string): string => join(host.folder, name)
  const own = await issueIdentity(etcd.authority, { name: host.name, addresses: [host.address] })
  await writeFile(file('etcd-ca.pem'), etcd.access.ca, { mode: 0o600 })
  await writeFile(file('etcd.pem'), own.certificate, { mode: 0o600 })
  await writeFile(file('etcd.key'), own.key, { mode: 0o600 })
  return `[store]
engine = "etcd"
prefix = "/purlin/test"
endpoints = ${JSON.stringify(etcd.access.endpoints)}
ca = ${JSON.stringify(file('etcd-ca.pem'))}
certificate = ${JSON.stringify(file('etcd.pem'))}
key = ${JSON.stringify(file('etcd.key'))}`
}
