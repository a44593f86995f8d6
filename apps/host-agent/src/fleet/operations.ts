import { readFile } from 'node:fs/promises'
import { type Clock, PurlinError, type Run, toPurlinError } from '@purlin/base'
import type { CatalogueFollower, Changes } from '@purlin/service'
import {
  createAuthority,
  fillEtcd,
  HOST_CERTIFICATE_DAYS,
  type Identity,
  issueIdentity,
  MOVING,
  type Store,
  signRequest,
} from '@purlin/store'
import type { OperationHandlers } from '../api/handlers.ts'
import type { Configuration, EtcdConfiguration } from '../config/config.ts'
import { fenceHost } from '../lease/fence.ts'
import { fingerprintOf, leftName, openEtcd } from '../service/open-store.ts'
import { noteCertificate } from './certificates.ts'
import { joinFleet } from './join.ts'
import { createJoinToken, useJoinToken } from './join-token.ts'
import { type FleetMembership, membershipFiles, writeMembership } from './membership.ts'
import { movedEntries } from './moved-entries.ts'
import { certificateHash } from './peer-call.ts'
import { type KnownHost, knownHostKeys, type Presence } from './presence.ts'
import { readRevocations } from './revocations.ts'

export interface FleetGrounds {
  readonly configuration: Configuration
  readonly version: string
  readonly clock: Clock
  readonly run: Run
  readonly store: Store
  readonly storeEngine: 'sqlite' | 'etcd'
  readonly membership: FleetMembership | undefined
  readonly presence: Presence | undefined
  readonly catalogue: CatalogueFollower
  readonly changes: Changes
  /** Resolves when nothing of this agent waits to be written. */
  readonly settled: () => Promise<void>
  /** Begins the agent anew, in this process, on what the host's folder says then. */
  readonly startAgain: (reason: string) => void
}

type FleetHandlers = Pick<
  OperationHandlers,
  | 'initFleet'
  | 'issueCertificate'
  | 'createHostToken'
  | 'showAuthority'
  | 'admitHost'
  | 'joinFleet'
  | 'removeHost'
  | 'fenceHost'
  | 'moveStore'
>

/** The calls that make a fleet of hosts. */
export function fleetHandlers(grounds: FleetGrounds): FleetHandlers {
  const { store, clock, run, presence } = grounds
  return {
    initFleet: async ({ body }) => await initFleet(grounds, body),
    issueCertificate: async ({ body }) => {
      const authority = authorityOf(grounds)
      const identity = await issueIdentity(authority, body, run)
      const crl = await readRevocations(grounds.configuration.state.folder)
      return { ...identity, ca: authority.certificate, crl }
    },
    createHostToken: async ({ body }) => {
      const authority = authorityOf(grounds)
      assertShared(grounds)
      return await createJoinToken(store, clock, certificateHash(authority.certificate), body)
    },
    showAuthority: async () => {
      const { fleet, ca } = memberOf(grounds)
      return { fleet, ca, crl: await readRevocations(grounds.configuration.state.folder) }
    },
    admitHost: async ({ body }) => await admitHost(grounds, body),
    joinFleet: async ({ body }) =>
      await grounds.changes.lastly('the host is joining a fleet', () => joinFleet(grounds, body)),
    removeHost: async ({ params }) => {
      if (presence === undefined) throw alone()
      await presence.remove(params.name ?? '')
      return {}
    },
    fenceHost: async ({ params: { name = '' } }) => {
      if (presence === undefined) throw alone()
      const aliveKey = knownHostKeys(name).alive
      return { machines: [...(await fenceHost({ store, clock, aliveKey }, name))] }
    },
    moveStore: async ({ body }) => await moveStore(grounds, body),
  }
}

type BodyOf<Name extends keyof FleetHandlers> = Parameters<FleetHandlers[Name]>[0]['body']

/** Makes the authority and this host's own certificate. */
async function initFleet(grounds: FleetGrounds, body: BodyOf<'initFleet'>) {
  const { configuration, membership, run } = grounds
  const { name: host } = configuration.host
  if (membership !== undefined) {
    const message = `this host is in the fleet ${membership.fleet} already`
    throw new PurlinError('PUR_FLEET_STATE', { message })
  }
  const authority = await createAuthority(body.name, run)
  const addresses = [...new Set([hostPart(body.listen), ...body.addresses, '127.0.0.1'])]
  const subject = { name: host, addresses }
  const own = await issueIdentity(authority, subject, run, HOST_CERTIFICATE_DAYS)
  await grounds.store.transact({ writes: [noteCertificate(host, own.certificate)] })
  await writeMembership(configuration.state.folder, {
    fleet: body.name,
    host,
    listen: body.listen,
    ca: authority.certificate,
    authorityKey: authority.key,
    ...own,
    ...(configuration.store?.engine === 'etcd' && { store: configuration.store }),
  })
  grounds.startAgain(`the fleet ${body.name} was made`)
  return { fleet: body.name, host, fingerprint: certificateHash(authority.certificate) }
}

/** Lets a host in: its request is signed, and it is known from then on. */
async function admitHost(grounds: FleetGrounds, body: BodyOf<'admitHost'>) {
  const { store, clock, run } = grounds
  const authority = authorityOf(grounds)
  const shared = assertShared(grounds)
  const { name, listen, addresses } = body
  const { guard, write } = await useJoinToken(store, clock, body.token, name)
  const subject = { name, addresses: [...new Set([hostPart(listen), ...addresses, '127.0.0.1'])] }
  const days = HOST_CERTIFICATE_DAYS
  const certificate = await signRequest(authority, body.request, subject, run, days)
  const nowMs = clock.nowMs()
  const known: KnownHost = {
    addresses,
    listen,
    fingerprint: fingerprintOf(certificate),
    version: body.version,
    joinedAtMs: nowMs,
    lastSeenMs: nowMs,
  }
  const keys = knownHostKeys(name)
  try {
    await store.transact({
      guards: [guard, { key: keys.known, revision: 0 }],
      writes: [
        write,
        { put: keys.known, value: known },
        { delete: keys.removed },
        noteCertificate(name, certificate),
      ],
    })
  } catch (cause) {
    const error = toPurlinError(cause)
    if (error.code !== 'PUR_STORE_CONFLICT') throw error
    if (error.context.key === guard.key) {
      const message = 'the token was used by another host just now; make a new one'
      throw new PurlinError('PUR_FLEET_TOKEN', { message, cause })
    }
    const message = `the fleet has a host ${name} already: give this one another host.name, or remove that one first`
    throw new PurlinError('PUR_HOST_NAME_TAKEN', { message, cause })
  }
  const { endpoints, prefix, keptRevisions } = shared
  const ca = await readFile(shared.ca, 'utf8')
  const { fleet } = memberOf(grounds)
  return { fleet, certificate, store: { endpoints, prefix, keptRevisions, ca } }
}

/** Copies all of the file into etcd. The note that is written last decides where the agent is. */
async function moveStore(grounds: FleetGrounds, body: BodyOf<'moveStore'>) {
  const { configuration, store, storeEngine, clock, changes } = grounds
  if (storeEngine === 'etcd' || configuration.store !== undefined) {
    const message =
      storeEngine === 'etcd'
        ? 'the state of this host is in etcd already'
        : 'the configuration file names the store: take its [store] out, so that it can be moved'
    throw new PurlinError('PUR_FLEET_STATE', { message })
  }
  const membership = memberOf(grounds)
  const { folder } = configuration.state
  const files = membershipFiles(folder)
  const chosen: EtcdConfiguration = {
    engine: 'etcd',
    endpoints: body.endpoints,
    prefix: body.prefix,
    keptRevisions: 20_000,
    ca: body.ca ?? files.ca,
    certificate: body.certificate ?? files.certificate,
    key: body.key ?? files.key,
  }
  // Tried first: certificates that do not fit are told of before anything stands still.
  const target = await openEtcd(chosen, clock)
  try {
    await target.store.get(MOVING)
  } finally {
    await target.store.close()
  }
  return await changes.lastly('the state is being moved', async () => {
    await grounds.settled()
    const before = await store.list('')
    const entries = movedEntries(before.entries, configuration.host.name)
    const { endpoints, prefix } = chosen
    const kept = await leftName(`${folder}/state.db`)
    const decide = async (): Promise<void> => {
      if ((await store.list('')).revision !== before.revision) {
        const message = 'the state was changed while it was moved; nothing was moved, try again'
        throw new PurlinError('PUR_STORE_CONFLICT', { message })
      }
      await writeMembership(folder, { ...membership, store: chosen })
    }
    const who = fingerprintOf(membership.certificate)
    await fillEtcd({ endpoints, prefix, ...target.credentials, clock }, { entries, who, decide })
    grounds.startAgain('the state was moved into etcd')
    return { entries: entries.length, kept }
  })
}

function memberOf({ membership }: FleetGrounds): FleetMembership {
  if (membership === undefined) throw alone()
  return membership
}

function authorityOf(grounds: FleetGrounds): Identity {
  const { ca, authorityKey, fleet } = memberOf(grounds)
  if (authorityKey !== undefined) return { certificate: ca, key: authorityKey }
  const message = `this host does not hold the key of the fleet ${fleet}: ask the host that made the fleet`
  throw new PurlinError('PUR_FLEET_NO_AUTHORITY', { message })
}

function assertShared({ configuration, membership }: FleetGrounds): EtcdConfiguration {
  const store = configuration.store ?? membership?.store
  if (store?.engine === 'etcd') return store
  const message =
    'the state of this host is in a file, which no other host can share: purlin store move first'
  throw new PurlinError('PUR_FLEET_STATE', { message })
}

function alone(): PurlinError {
  const message =
    'this host is in no fleet: purlin fleet init makes one, purlin host join joins one'
  return new PurlinError('PUR_FLEET_STATE', { message })
}

/** ADDRESS of ADDRESS:PORT, without the brackets of IPv6. */
function hostPart(listen: string): string {
  return listen.slice(0, listen.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
