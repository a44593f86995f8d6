import { readFile } from 'node:fs/promises'
import { fact, PurlinError } from '@purlin/base'
import { createInZone, openNetfilterSocket, readZone } from '@purlin/netfilter'
import { devicesOf, type NewEvent, type PortMove } from '@purlin/schema'
import type { Catalogue, StoredRecord } from '@purlin/service'
import type { Write } from '@purlin/store'
import {
  announcementOf,
  type MoveSight,
  movedOn,
  nextMoveEvent,
  type PortMoveEvent,
  type VswitchDesired,
  type VswitchDriver,
} from '@purlin/vswitch'
import type { HostView } from '../status/host-view.ts'
import { layDown, pickUp } from './luggage.ts'
import { moveWrites, placeWrite, portsOfMachine, type RecordGrounds, writeOnto } from './records.ts'

/** While a port moves, how often is looked for its machine, which comes and goes by itself. */
const LOOK_EVERY_MS = 25
/** A step that failed is done again. */
const RETRY_MS = 500
/** The wire is told several times: a frame may be lost while switches learn. */
const ANNOUNCE_ROUNDS = 3
const STEP_DEADLINE_MS = 15_000

export interface MoverGrounds extends RecordGrounds {
  readonly signal: AbortSignal
  /** What this host sees, with facts and how far its lanes are. */
  readonly view: () => HostView
  readonly onView: (listener: () => void) => void
  readonly desiredPorts: () => VswitchDesired['ports']
  readonly announce: VswitchDriver['announce']
  /** These ports have just come here. */
  readonly onArrival: (ports: readonly string[]) => void
  readonly tell: (event: NewEvent) => void
  readonly onTrouble: (thrown: unknown) => void
}

interface Moving {
  readonly machine: string
  readonly move: PortMove
  readonly ports: readonly StoredRecord<'Port'>[]
}

/** Does this host's part in the moves of ports. All that counts is in the store and in the kernel,
 *  so that an agent that was killed at any step goes on with it. */
export class Mover {
  readonly #grounds: MoverGrounds
  #awake = Promise.withResolvers<void>()

  constructor(grounds: MoverGrounds) {
    this.#grounds = grounds
    grounds.catalogue.onChange(() => this.#wake())
    grounds.onView(() => this.#wake())
    grounds.signal.addEventListener('abort', () => this.#wake(), { once: true })
    void this.#run()
  }

  #wake(): void {
    this.#awake.resolve()
  }

  async #run(): Promise<void> {
    const { signal, clock, catalogue, host, onTrouble } = this.#grounds
    while (!signal.aborted) {
      this.#awake = Promise.withResolvers()
      const moving = movesOf(catalogue.current(), host)
      let pauseMs = LOOK_EVERY_MS
      for (const one of moving) {
        await this.#step(one).catch((thrown) => {
          if (signal.aborted) return
          pauseMs = RETRY_MS
          onTrouble(thrown)
        })
      }
      if (moving.length === 0) await this.#awake.promise
      else await clock.sleep(pauseMs, signal).catch(() => undefined)
    }
  }

  async #step({ machine, move, ports }: Moving): Promise<void> {
    const { catalogue, store, host, clock } = this.#grounds
    const from = catalogue.current()
    const event = nextMoveEvent(move, await this.#look(from, ports))
    if (event === undefined) return
    const after = movedOn(move, event)
    const writes: Write[] = [...moveWrites(ports, after)]
    if (event === 'left') await this.#read(ports)
    if (event === 'taken') {
      for (const port of ports) writes.push(...(await this.#create(port)))
      const record = from.get('VirtualMachine', machine)
      if (record !== undefined) writes.push(placeWrite(record, host))
    }
    if (event === 'came') {
      this.#grounds.onArrival(ports.map(({ manifest }) => manifest.name))
      await this.#announce(ports)
    }
    if (event === 'cancel') {
      for (const { manifest } of ports) {
        writes.push(...(await pickUp(store, manifest.name)).away)
      }
    }
    // Where a resource was changed meanwhile, the next look begins from that.
    if (await writeOnto(this.#grounds, from, writes)) this.#say(machine, move, event)
    else await clock.sleep(LOOK_EVERY_MS)
  }

  async #look(
    catalogue: Catalogue,
    ports: readonly StoredRecord<'Port'>[],
  ): Promise<readonly MoveSight[]> {
    const { host, clock, view } = this.#grounds
    const devices = await devicesHere()
    const { facts, lanes } = view()
    return ports.map(({ manifest: { name, spec }, revision }) => ({
      host,
      nowMs: clock.nowMs(),
      stands:
        lanes.netfilter.passedRevision >= revision &&
        lanes.vswitch.passedRevision >= revision &&
        facts.has(fact('nic', name, 'enforced')) &&
        facts.has(fact('nic', name, 'plugged')),
      hasTap: devices.has(devicesOf(spec.deviceKey).tap),
      isCurrent: lanes.netfilter.convergedRevision >= catalogue.revision,
      isFresh: catalogue.headRevision === revision,
    }))
  }

  /** Reads what the connections of the ports have come to. */
  async #read(ports: readonly StoredRecord<'Port'>[]): Promise<void> {
    const { store, signal, tell } = this.#grounds
    for (const { manifest } of ports) {
      const { name, spec } = manifest
      const entries = await readZone(spec.conntrackZone, { signal })
      const left = await layDown(store, name, entries)
      if (left === 0) continue
      const message = `port ${name}: ${left} of its ${entries.length} connections are too many to be carried and will be begun anew`
      const subject = { kind: 'Port', name }
      tell({ type: 'port.connections-left', severity: 'warning', subject, message })
    }
  }

  /** Makes the connections of a port here. What its zone holds is of an earlier stay, and may have
   *  been refused since, so it goes. */
  async #create({ manifest }: StoredRecord<'Port'>): Promise<readonly Write[]> {
    const { store, signal, tell } = this.#grounds
    const { name, spec } = manifest
    const { entries, away } = await pickUp(store, name)
    const zones = new Set([spec.conntrackZone])
    const kernel = openNetfilterSocket()
    try {
      await kernel.deleteConnections(await kernel.listConnections({ zones }, { signal }))
    } finally {
      kernel.close()
    }
    const { refused } = await createInZone(spec.conntrackZone, entries, { signal })
    if (refused.length > 0) {
      const message = `port ${name}: ${refused.length} of ${entries.length} connections could not be carried: ${refused[0]}`
      const subject = { kind: 'Port', name }
      tell({ type: 'port.connections-left', severity: 'warning', subject, message })
    }
    return away
  }

  async #announce(ports: readonly StoredRecord<'Port'>[]): Promise<void> {
    const { announce, desiredPorts, signal, onTrouble } = this.#grounds
    const until = AbortSignal.any([signal, AbortSignal.timeout(STEP_DEADLINE_MS)])
    await Promise.all(
      ports.map(async ({ manifest: { name, spec } }) => {
        const port = desiredPorts().find((one) => one.port === name)
        if (port === undefined) return
        const announcement = announcementOf(port, [...spec.ipv4, ...spec.ipv6])
        // The machine's own first frame tells the wire as well.
        const told = await announce(announcement, ANNOUNCE_ROUNDS, until).catch(onTrouble)
        if (told === false) onTrouble(notOpen(name))
      }),
    )
  }

  #say(machine: string, { from, to, phase }: PortMove, event: PortMoveEvent): void {
    const message = `machine ${machine}: ${words[event]} (${from} to ${to}, was ${phase})`
    const subject = { kind: 'VirtualMachine', name: machine }
    this.#grounds.tell({ type: `port.move-${event}`, severity: 'notice', subject, message })
  }
}

const words: Readonly<Record<PortMoveEvent, string>> = {
  stands: 'its rules and ports stand on the new host, and it may leave the old one',
  cancel: 'the move of its ports is given up',
  left: 'it has left its old host, and its connections are on their way',
  outdated: 'resources were changed meanwhile, and its connections are read again',
  taken: 'its connections are on the new host, and it may come up there',
  came: 'it has come, and the wire was told',
  wait: 'its ports are on the new host, where it has not come up yet',
}

/** The moves in which the host has a part. Pure. */
function movesOf(catalogue: Catalogue, host: string): readonly Moving[] {
  const machines = new Set<string>()
  return catalogue.list('Port').flatMap(({ manifest: { spec } }): Moving[] => {
    const { move, virtualMachine: machine } = spec
    const isOurs = move !== undefined && (move.from === host || move.to === host)
    if (!isOurs || machines.has(machine)) return []
    machines.add(machine)
    return [{ machine, move, ports: portsOfMachine(catalogue, machine) }]
  })
}

/** Names of the network devices of this host, from the kernel's own list of this network. */
async function devicesHere(): Promise<ReadonlySet<string>> {
  const text = await readFile('/proc/self/net/dev', 'utf8')
  return new Set([...text.matchAll(/^\s*([^\s:]+):/gm)].map(([, name = '']) => name))
}

function notOpen(port: string): PurlinError {
  const message = `port ${port}: its place was not told to the wire, since its switch port is not open`
  return new PurlinError('PUR_OVS_UNREACHABLE', { message })
}
