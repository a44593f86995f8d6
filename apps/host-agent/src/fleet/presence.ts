import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import type { HostCapacity, HostSpec, Resource } from '@purlin/schema'
import { type Mirror, mirrorPrefix } from '@purlin/service'
import type { Store, StoreEntry, Write } from '@purlin/store'
import type { HostState } from '../status/host-state.ts'
import type { HostView } from '../status/host-view.ts'
import { revocationsOf } from './certificates.ts'
import { ownAddresses } from './own-addresses.ts'
import { heardView, type ToldLanes, type ToldSight, tellLanes, tellSight } from './sight.ts'

const ROOT = '/host'
const KNOWN = '/host/'
const ALIVE = '/host-alive/'
const LANES = '/host-lanes/'
const SIGHT = '/host-sight/'
/** What a host tells beside what its lanes see, each under a key of its own. */
const BESIDE = { pool: '/host-pool/', hardware: '/host-hardware/' } as const
/** Certificates that are no longer believed, by the name they were given to. */
const REMOVED = '/host-removed/'

/** A host that does not keep its lease is away after this. */
const LEASE_MS = 10_000
const KEEP_EVERY_MS = 3_000
const RETRY_MS = 1_000
const GATHER_MS = 20

/** Where the store has what it knows of a host, and what it does not believe any more. */
export function knownHostKeys(
  host: string,
): Readonly<Record<'known' | 'removed' | 'alive', string>> {
  return {
    known: `${KNOWN}${host}`,
    removed: `${REMOVED}${host}`,
    alive: `${ALIVE}${host}`,
  }
}

/** A host as the store knows it, whether it is there or away. */
export interface KnownHost extends HostSpec {
  readonly joinedAtMs: number
  readonly lastSeenMs: number
  /** Of the certificate that it was given and does not use yet. */
  readonly nextFingerprint?: string | undefined
}

/** By what a removed host is known, should it come again. */
interface RemovedHost {
  readonly fingerprint?: string | undefined
  readonly nextFingerprint?: string | undefined
}

export interface PresenceOptions {
  readonly store: Store
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly host: string
  readonly version: string
  readonly listen?: string | undefined
  /** SHA-256 of the certificate by which this host proves itself. */
  readonly fingerprint?: string | undefined
  readonly state: HostState
  /** What its machines may be promised. */
  readonly capacity: HostCapacity
  /** Told when the hosts, or what they see, change. */
  readonly onChange: (others: ReadonlyMap<string, HostView>) => void
  readonly onTrouble: (thrown: unknown) => void
}

/** Who is there. Each agent holds a lease, under which it writes what it sees; with the lease, all
 *  that vanishes, and the others know that it is away. */
export class Presence {
  readonly #options: PresenceOptions
  #mirror: Mirror | undefined
  #lease: string | undefined
  #told: ReadonlyMap<string, string> = new Map()
  /** What is told beside what lanes see, as JSON by its prefix. */
  readonly #beside = new Map<string, string>()
  #telling = false
  #refused: PurlinError | undefined
  #again = false

  private constructor(options: PresenceOptions) {
    this.#options = options
  }

  /** Begins to be there and to see who else is. */
  static begin(options: PresenceOptions): Presence {
    const presence = new Presence(options)
    options.state.subscribe(() => presence.#tellSoon())
    void presence.#keep()
    void presence.#see()
    return presence
  }

  /** Why this host is not let in, and must not change anything: it was removed, or another one has
   *  its name. */
  get refused(): PurlinError | undefined {
    return this.#refused
  }

  /** Names of the other hosts that are there. */
  others(): readonly string[] {
    const { host } = this.#options
    return [...this.#entries(ALIVE).keys()].filter((name) => name !== host).toSorted()
  }

  /** Names of all hosts, there or away; this one is always among them. */
  names(): readonly string[] {
    const names = [...this.#entries(KNOWN).keys(), this.#options.host]
    return [...new Set(names)].toSorted()
  }

  /** The other hosts that are known, and whether each is there. */
  standing(): readonly { readonly host: string; readonly isPresent: boolean }[] {
    return this.names()
      .filter((name) => name !== this.#options.host)
      .map((host) => ({ host, isPresent: this.isPresent(host) }))
  }

  /** Where the agents of the other hosts listen, those that are there first. */
  listening(): readonly string[] {
    const here = new Set(this.others())
    return [...this.#entries(KNOWN)]
      .filter(([name]) => name !== this.#options.host)
      .toSorted(([one], [other]) => Number(here.has(other)) - Number(here.has(one)))
      .flatMap(([, { value }]) => (value as KnownHost).listen ?? [])
  }

  isPresent(host: string): boolean {
    return host === this.#options.host || this.#entries(ALIVE).has(host)
  }

  /** Whether this host does what one agent of the fleet has to do: the first by name does. */
  isKeeper(): boolean {
    const present = [...this.#entries(ALIVE).keys()].toSorted()
    return (present[0] ?? this.#options.host) === this.#options.host
  }

  /** A host that is known by this certificate; undefined for one that was never let in, or was
   *  removed. */
  hostOfFingerprint(fingerprint: string): string | undefined {
    return [...this.#entries(KNOWN)].find(([, { value }]) => {
      const known = value as KnownHost
      return [known.fingerprint, known.nextFingerprint].includes(fingerprint)
    })?.[0]
  }

  /** Tells the others something of this host, for as long as it is there. */
  tell(what: keyof typeof BESIDE, value: unknown): void {
    this.#beside.set(BESIDE[what], JSON.stringify(value))
    this.#tellSoon()
  }

  /** What the hosts that are there have told, by their names. */
  heard(what: keyof typeof BESIDE): ReadonlyMap<string, unknown> {
    const entries = this.#entries(BESIDE[what])
    return new Map([...entries].map(([name, { value }]) => [name, value]))
  }

  /** Hosts as resources. */
  list(): readonly Resource<'Host'>[] {
    return [...this.#entries(KNOWN)].map(([name, entry]) => this.#resource(name, entry))
  }

  /** Says again that this host is known, and when it was last there. */
  async remember(): Promise<void> {
    const { store, host, clock } = this.#options
    const key = `${KNOWN}${host}`
    const entry = await store.get(key)
    const before = entry?.value as KnownHost | undefined
    const nowMs = clock.nowMs()
    const next = before?.nextFingerprint
    const isNext = next === undefined || next === this.#options.fingerprint
    const value: KnownHost = {
      ...this.#spec(),
      ...(!isNext && { nextFingerprint: next }),
      joinedAtMs: before?.joinedAtMs ?? nowMs,
      lastSeenMs: nowMs,
    }
    const guards = [{ key, revision: entry?.revision ?? 0 }]
    await store.transact({ guards, writes: [{ put: key, value }] })
  }

  /** Forgets a host that is away, and revokes its certificates. Errors: PUR_RESOURCE_MISSING,
   *  PUR_RESOURCE_IN_USE while it is there. */
  async remove(host: string): Promise<void> {
    const { store } = this.#options
    const key = `${KNOWN}${host}`
    const entry = await store.get(key)
    if (entry === undefined) {
      throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no Host named ${host}` })
    }
    const guards = [
      { key, revision: entry.revision },
      { key: `${ALIVE}${host}`, revision: 0 },
    ]
    try {
      const { fingerprint, nextFingerprint } = entry.value as KnownHost
      const value: RemovedHost = { fingerprint, nextFingerprint }
      const revocations = await revocationsOf(store, host, this.#options.clock.nowMs())
      await store.transact({
        guards,
        writes: [{ delete: key }, { put: `${REMOVED}${host}`, value }, ...revocations],
      })
    } catch (thrown) {
      if (toPurlinError(thrown).code !== 'PUR_STORE_CONFLICT') throw thrown
      const message = `host ${host} is there: stop its agent first; ${LEASE_MS / 1000} s later it can be removed`
      throw new PurlinError('PUR_RESOURCE_IN_USE', { message, cause: thrown })
    }
  }

  /** Goes, so that the others know it at once. */
  async leave(): Promise<void> {
    const lease = this.#lease
    this.#lease = undefined
    if (lease !== undefined) await this.#options.store.revokeLease(lease).catch(() => undefined)
  }

  async #see(): Promise<void> {
    const { store, clock, signal, onTrouble } = this.#options
    try {
      this.#mirror = await mirrorPrefix({ store, prefix: ROOT, clock, signal })
      this.#mirror.onChange(() => this.#show())
      this.#show()
      await this.#mirror.ended
    } catch (thrown) {
      if (!signal.aborted) onTrouble(thrown)
    }
  }

  #show(): void {
    const { onChange } = this.#options
    const [lanes, sights] = [this.#entries(LANES), this.#entries(SIGHT)]
    onChange(
      new Map(
        this.others().map((name) => [
          name,
          heardView(
            lanes.get(name)?.value as ToldLanes | undefined,
            sights.get(name)?.value as ToldSight | undefined,
          ),
        ]),
      ),
    )
  }

  /** Keeps the lease, and takes a new one where it ended while the store was away. */
  async #keep(): Promise<void> {
    const { store, clock, signal, onTrouble } = this.#options
    let remembered = false
    while (!signal.aborted) {
      let pauseMs = KEEP_EVERY_MS
      try {
        if (this.#lease === undefined) await this.#claim()
        else await store.keepLease(this.#lease)
        this.#refused = undefined
        if (!remembered) await this.remember()
        remembered = true
      } catch (thrown) {
        if (signal.aborted) return
        const error = toPurlinError(thrown)
        const { code } = error
        if (code === 'PUR_HOST_REMOVED' || code === 'PUR_HOST_NAME_TAKEN') {
          if (this.#refused?.code !== code) onTrouble(error)
          this.#refused = error
        } else if (code === 'PUR_STORE_LEASE_GONE') this.#lease = undefined
        else if (code !== 'PUR_STORE_UNREACHABLE') onTrouble(thrown)
        pauseMs = code === 'PUR_STORE_LEASE_GONE' ? 0 : RETRY_MS
      }
      await clock.sleep(pauseMs, signal).catch(() => undefined)
    }
  }

  async #claim(): Promise<void> {
    const { store, host, fingerprint, version, clock } = this.#options
    const key = `${ALIVE}${host}`
    const standing = await store.get(key)
    const other = (standing?.value as { fingerprint?: string } | undefined)?.fingerprint
    if (standing !== undefined && other !== fingerprint) {
      const message = `another host is there by the name ${host}: give this one another host.name`
      throw new PurlinError('PUR_HOST_NAME_TAKEN', { message, context: { host } })
    }
    const removed = (await store.get(`${REMOVED}${host}`))?.value as RemovedHost | undefined
    if (removed && [removed.fingerprint, removed.nextFingerprint].includes(fingerprint)) {
      const message = `host ${host} was removed from the fleet: join it again with a new token`
      throw new PurlinError('PUR_HOST_REMOVED', { message, context: { host } })
    }
    const lease = await store.grantLease(LEASE_MS)
    const value = { fingerprint, version, sinceMs: clock.nowMs() }
    await store.transact({
      guards: [{ key, revision: standing?.revision ?? 0 }],
      writes: [{ put: key, value, lease }],
    })
    this.#lease = lease
    this.#told = new Map()
    this.#tellSoon()
  }

  #tellSoon(): void {
    this.#again = true
    if (!this.#telling) void this.#tell()
  }

  async #tell(): Promise<void> {
    const { store, clock, host, state, signal } = this.#options
    this.#telling = true
    while (this.#again && !signal.aborted) {
      await clock.sleep(GATHER_MS)
      this.#again = false
      const lease = this.#lease
      if (lease === undefined) break
      const view = state.view()
      const told = new Map([
        [LANES, JSON.stringify(tellLanes(view))],
        [SIGHT, JSON.stringify(tellSight(view))],
        ...this.#beside,
      ])
      const writes = [...told].flatMap(([prefix, text]): Write[] =>
        this.#told.get(prefix) === text
          ? []
          : [{ put: `${prefix}${host}`, value: JSON.parse(text), lease }],
      )
      if (writes.length === 0) continue
      // What could not be told is told again with the next change, or with the next lease.
      const sent = await store.transact({ writes }).then(
        () => true,
        () => false,
      )
      if (sent) this.#told = told
      else {
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
        this.#again = true
      }
    }
    this.#telling = false
  }

  #entries(prefix: string): ReadonlyMap<string, StoreEntry> {
    const found = new Map<string, StoreEntry>()
    for (const [key, entry] of this.#mirror?.current().entries ?? []) {
      if (key.startsWith(prefix)) found.set(key.slice(prefix.length), entry)
    }
    return found
  }

  #spec(): HostSpec {
    const { listen, fingerprint, version, capacity } = this.#options
    return {
      addresses: ownAddresses(),
      ...(listen !== undefined && { listen }),
      ...(fingerprint !== undefined && { fingerprint }),
      version,
      capacity,
    }
  }

  #resource(name: string, entry: StoreEntry): Resource<'Host'> {
    const { joinedAtMs, lastSeenMs, nextFingerprint, ...spec } = entry.value as KnownHost
    const present = this.isPresent(name)
    const alive = this.#entries(ALIVE).get(name)?.value as { sinceMs: number } | undefined
    return hostResource(
      { name, spec, revision: entry.revision, joinedAtMs },
      {
        present,
        sinceMs: alive?.sinceMs ?? lastSeenMs,
        lastSeenMs: present ? this.#options.clock.nowMs() : lastSeenMs,
      },
    )
  }
}

/** The resource of a host that is in no fleet. */
export function aloneHost(
  name: string,
  { version, capacity }: Pick<HostSpec, 'version' | 'capacity'>,
  sinceMs: number,
): Resource<'Host'> {
  const spec: HostSpec = { addresses: ownAddresses(), version, capacity }
  const seen = { present: true, sinceMs, lastSeenMs: sinceMs }
  return hostResource({ name, spec, revision: 0, joinedAtMs: sinceMs }, seen)
}

function hostResource(
  host: { name: string; spec: HostSpec; revision: number; joinedAtMs: number },
  { present, sinceMs, lastSeenMs }: { present: boolean; sinceMs: number; lastSeenMs: number },
): Resource<'Host'> {
  const { name, spec, revision, joinedAtMs } = host
  return {
    kind: 'Host',
    name,
    spec,
    uid: `host-${name}`,
    generation: 1,
    revision,
    createdAtMs: Math.round(joinedAtMs),
    status: {
      observedGeneration: 1,
      lastSeenMs: Math.round(lastSeenMs),
      conditions: [
        {
          type: 'Ready',
          status: present ? 'true' : 'false',
          reason: present ? 'Present' : 'Away',
          message: present ? 'its agent is there' : 'its agent does not keep its lease',
          sinceMs: Math.round(sinceMs),
        },
      ],
    },
  }
}
