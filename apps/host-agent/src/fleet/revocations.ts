import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, type Run, toPurlinError } from '@purlin/base'
import { mirrorPrefix, writeWhole } from '@purlin/service'
import { createRevocationList, type Store } from '@purlin/store'
import { CERTIFICATES, REVOCATION_LIST, revokedOf } from './certificates.ts'
import { hangUp, memberPorts } from './hang-up.ts'
import type { FleetMembership } from './membership.ts'

export interface RevocationGrounds {
  readonly store: Store
  readonly clock: Clock
  readonly run: Run
  readonly signal: AbortSignal
  readonly membership: FleetMembership
  readonly stateFolder: string
  /** Where etcd, which is another user, finds the list. */
  readonly publicFile: string
  readonly onTrouble: (thrown: unknown) => void
  /** So many connections to etcd on this host were ended. */
  readonly onHungUp: (connections: number) => void
}

interface ListRecord {
  readonly serials: readonly string[]
  readonly crl: string
}

/** The list of revoked certificates as this host has it. */
export function revocationFile(stateFolder: string): string {
  return join(stateFolder, 'fleet', 'crl.pem')
}

/** What this host knows of revoked certificates, PEM; empty before it has heard of them. */
export async function readRevocations(stateFolder: string): Promise<string> {
  return await readFile(revocationFile(stateFolder), 'utf8').catch(() => '')
}

/** Keeps the list of revoked certificates: the host with the authority's key signs it when it
 *  changes, and every host writes it down where etcd reads it at each handshake
 *  (`--client-crl-file`), and ends the connections that stand to a member of etcd of its own, so
 *  that there is a handshake. What was known last is there before the store answers. */
export function keepRevocations(grounds: RevocationGrounds): void {
  const { signal, onTrouble } = grounds
  const trouble = (thrown: unknown): void => {
    if (!signal.aborted) onTrouble(thrown)
  }
  begin(grounds).catch(trouble)
  if (grounds.membership.authorityKey !== undefined) signForever(grounds).catch(trouble)
}

async function begin(grounds: RevocationGrounds): Promise<void> {
  const { store, clock, signal, stateFolder, publicFile, onTrouble } = grounds
  let known = await readRevocations(stateFolder)
  if (known !== '') await publish(publicFile, known)
  const mirror = await mirrorPrefix({ store, prefix: REVOCATION_LIST, clock, signal })
  let last: Promise<void> = Promise.resolve()
  const take = (): void => {
    const record = mirror.current().entries.get(REVOCATION_LIST)?.value as ListRecord | undefined
    if (record === undefined) return
    last = last
      .then(async () => {
        await publish(publicFile, record.crl)
        if (record.crl === known) return
        if (record.serials.length > 0) await endConnections(grounds)
        // Written once they are ended, so that an agent that is killed between does both again.
        await writeWhole(revocationFile(stateFolder), record.crl)
        known = record.crl
      })
      .catch(onTrouble)
  }
  mirror.onChange(take)
  take()
  await mirror.ended
}

/** What cannot be ended is told, and keeps nothing else from being done. */
async function endConnections(grounds: RevocationGrounds): Promise<void> {
  const { run, signal, membership, onTrouble, onHungUp } = grounds
  const ports = memberPorts(membership.store?.endpoints ?? [])
  try {
    const connections = await hangUp(run, ports, signal)
    if (connections > 0) onHungUp(connections)
  } catch (thrown) {
    onTrouble(thrown)
  }
}

async function publish(file: string, text: string): Promise<void> {
  await writeWhole(file, text)
  await chmod(file, 0o644)
}

async function signForever(grounds: RevocationGrounds): Promise<void> {
  const { store, clock, signal, onTrouble } = grounds
  const mirror = await mirrorPrefix({ store, prefix: CERTIFICATES, clock, signal })
  let last: Promise<void> = Promise.resolve()
  const look = (): void => {
    last = last.then(() => sign(grounds, mirror.current().entries)).catch(onTrouble)
  }
  mirror.onChange(look)
  look()
  await mirror.ended
}

async function sign(
  { store, clock, run, membership }: RevocationGrounds,
  entries: ReadonlyMap<string, { readonly key: string; readonly value: unknown }>,
): Promise<void> {
  const { ca: certificate, authorityKey: key } = membership
  if (key === undefined) return
  const nowMs = clock.nowMs()
  const revoked = revokedOf(entries.values(), nowMs)
  const serials = revoked.map(({ serial }) => serial)
  const standing = await store.get(REVOCATION_LIST)
  const before = (standing?.value as ListRecord | undefined)?.serials
  if (before !== undefined && before.join() === serials.join()) return
  const crl = await createRevocationList({ certificate, key }, revoked, nowMs, run)
  const value: ListRecord = { serials, crl }
  try {
    await store.transact({
      guards: [{ key: REVOCATION_LIST, revision: standing?.revision ?? 0 }],
      writes: [{ put: REVOCATION_LIST, value }],
    })
  } catch (thrown) {
    // The same key elsewhere has signed one meanwhile.
    if (toPurlinError(thrown).code !== 'PUR_STORE_CONFLICT') throw thrown
  }
}
