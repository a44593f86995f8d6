import { type Clock, newIdentifier, PurlinError, toPurlinError, withDeadline } from '@purlin/base'
import type { FabricMatrix } from '@purlin/schema'
import { type CatalogueFollower, type Mirror, mirrorPrefix } from '@purlin/service'
import type { Store } from '@purlin/store'
import {
  type OpenProbe,
  type ProbeHeard,
  type ProbeOptions,
  probeMatrix,
  type SwitchDesired,
} from '@purlin/vswitch'

const PREFIX = '/fabric-probe/'
/** All of a probe goes with its lease, also where the agent that asked is killed. */
const LEASE_MS = 30_000
const READY_LIMIT_MS = 3_000
const HEAR_MS = 400
const HEARD_LIMIT_MS = 3_000
const TAKE_PART_MS = 12_000
const LOOK_EVERY_MS = 10

interface Order {
  readonly switch: string
  readonly vlans: readonly number[]
  readonly lease: string
  readonly phase: 'listen' | 'send'
}

/** What a host says of its part: its uplinks, or why it takes none; then what it has heard. */
interface Part {
  readonly uplinks?: readonly string[]
  readonly refused?: string
  readonly heard?: readonly ProbeHeard[]
}

export interface FabricGrounds {
  readonly store: Store
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly host: string
  readonly catalogue: CatalogueFollower
  readonly switches: () => readonly SwitchDesired[]
  readonly openProbe: (
    options: Pick<ProbeOptions, 'switch' | 'run' | 'vlans' | 'signal'>,
  ) => Promise<OpenProbe>
  /** Other hosts, and whether each is there. */
  readonly others: () => readonly { readonly host: string; readonly isPresent: boolean }[]
  readonly onTrouble: (thrown: unknown) => void
}

/** Probes what is between the hosts. Agents speak by the store: who asks writes an order, all
 *  listen and say so, all send, and each writes what it has heard. */
export class Fabric {
  readonly #grounds: FabricGrounds
  readonly #taken = new Set<string>()
  readonly #mirror: Promise<Mirror>

  constructor(grounds: FabricGrounds) {
    this.#grounds = grounds
    const { store, clock, signal, onTrouble } = grounds
    this.#mirror = mirrorPrefix({ store, prefix: PREFIX, clock, signal })
    this.#mirror.then(
      (mirror) => {
        const look = (): void => this.#takePart(mirror)
        mirror.onChange(look)
        mirror.ended.catch((thrown) => signal.aborted || onTrouble(thrown))
        look()
      },
      (thrown) => signal.aborted || onTrouble(thrown),
    )
  }

  /** Probes a switch between all hosts that are there. Errors: PUR_RESOURCE_MISSING,
   *  PUR_STORE_*. */
  async probe(switchName: string): Promise<FabricMatrix> {
    const { store, clock, catalogue, host, others } = this.#grounds
    const current = catalogue.current()
    const found = current.get('DistributedSwitch', switchName)
    if (found === undefined) {
      const message = `no DistributedSwitch named ${switchName}`
      throw new PurlinError('PUR_RESOURCE_MISSING', { message })
    }
    const groups = current
      .list('PortGroup')
      .filter(({ manifest }) => manifest.spec.switch === switchName)
      .flatMap(({ manifest: { spec } }) => [spec.vlan, ...(spec.trunk ?? [])])
    const vlans = [...new Set(groups)].toSorted((a, b) => a - b)
    const known = others()
    const asked = [host, ...known.filter((one) => one.isPresent).map((one) => one.host)]
    const lease = await store.grantLease(LEASE_MS)
    const run = newIdentifier(clock.nowMs())
    const order: Order = { switch: switchName, vlans, lease, phase: 'listen' }
    try {
      const put = `${PREFIX}${run}`
      await store.transact({ writes: [{ put, value: order, lease }] })
      const said = (part: Part | undefined): boolean =>
        part?.uplinks !== undefined || part?.refused !== undefined
      const listening = await this.#parts(run, asked, said, READY_LIMIT_MS)
      await store.transact({ writes: [{ put, value: { ...order, phase: 'send' }, lease }] })
      const present = asked.filter((name) => listening.get(name)?.uplinks !== undefined)
      const heard = (part: Part | undefined): boolean => part?.heard !== undefined
      const parts = await this.#parts(run, present, heard, HEARD_LIMIT_MS)
      const parties = present.flatMap((name) => {
        const { uplinks } = parts.get(name) ?? {}
        return uplinks === undefined ? [] : [{ host: name, uplinks }]
      })
      const heardBy = new Map(present.map((name) => [name, parts.get(name)?.heard ?? []]))
      const paths = probeMatrix(vlans, parties, heardBy)
      return {
        switch: switchName,
        mtu: found.manifest.spec.mtu,
        paths: paths.map((path) => ({ ...path, by: [...path.by] })),
        absent: [
          ...known
            .filter(({ isPresent }) => !isPresent)
            .map((one) => ({ host: one.host, reason: 'its agent is away' })),
          ...asked
            .filter((name) => !present.includes(name))
            .map((name) => ({
              host: name,
              reason: listening.get(name)?.refused ?? 'its agent did not answer in time',
            })),
        ],
      }
    } finally {
      await store.revokeLease(lease).catch(() => undefined)
    }
  }

  /** The parts of hosts as they are when all have said what is waited for, or the time is over. */
  async #parts(
    run: string,
    hosts: readonly string[],
    said: (part: Part | undefined) => boolean,
    limitMs: number,
  ): Promise<ReadonlyMap<string, Part>> {
    const { clock, signal } = this.#grounds
    const mirror = await this.#mirror
    const untilMs = clock.monotonicMs() + limitMs
    for (;;) {
      const { entries } = mirror.current()
      const parts = new Map(
        hosts.flatMap((host): [string, Part][] => {
          const part = entries.get(`${PREFIX}${run}/${host}`)?.value as Part | undefined
          return part === undefined ? [] : [[host, part]]
        }),
      )
      const isWhole = hosts.every((host) => said(parts.get(host)))
      if (isWhole || clock.monotonicMs() > untilMs) return parts
      await clock.sleep(LOOK_EVERY_MS, signal)
    }
  }

  #takePart(mirror: Mirror): void {
    const { entries } = mirror.current()
    for (const key of entries.keys()) {
      const run = key.slice(PREFIX.length)
      if (run.includes('/') || this.#taken.has(run)) continue
      this.#taken.add(run)
      void this.#join(mirror, run)
        .catch((thrown) => this.#grounds.signal.aborted || this.#grounds.onTrouble(thrown))
        .finally(() => this.#taken.delete(run))
    }
  }

  async #join(mirror: Mirror, run: string): Promise<void> {
    const { signal } = this.#grounds
    const work = (until: AbortSignal) => this.#listenAndSend(mirror, run, until)
    await withDeadline(`probe ${run}`, TAKE_PART_MS, work, signal)
  }

  async #listenAndSend(mirror: Mirror, run: string, signal: AbortSignal): Promise<void> {
    const { store, host, clock, switches, openProbe } = this.#grounds
    const key = `${PREFIX}${run}`
    const orderNow = (): Order | undefined => mirror.current().entries.get(key)?.value as Order
    const order = orderNow()
    if (order === undefined) return
    const say = async (value: Part): Promise<void> => {
      const { lease } = order
      await store.transact({ writes: [{ put: `${key}/${host}`, value, lease }] })
    }
    const own = switches().find(({ name }) => name === order.switch)
    if (own === undefined) return await say({ refused: `it has no switch ${order.switch}` })
    const { vlans } = order
    let probe: OpenProbe
    try {
      probe = await openProbe({ switch: own, run, vlans, signal })
    } catch (thrown) {
      return await say({ refused: toPurlinError(thrown).message })
    }
    try {
      const { uplinks } = probe
      await say({ uplinks })
      while (orderNow()?.phase === 'listen') await clock.sleep(LOOK_EVERY_MS, signal)
      if (orderNow() === undefined) return
      await probe.send()
      await clock.sleep(HEAR_MS, signal)
      await say({ uplinks, heard: probe.heard() })
      // Two answers of one run would be one too many: it is over when its order is gone.
      while (orderNow() !== undefined) await clock.sleep(LOOK_EVERY_MS, signal)
    } finally {
      probe.close()
    }
  }
}
