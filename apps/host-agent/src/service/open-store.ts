import { createHash, X509Certificate } from 'node:crypto'
import { access, readFile, rename } from 'node:fs/promises'
import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import { openEtcdStore, openSqliteStore, type Store } from '@purlin/store'
import type { Configuration, EtcdConfiguration } from '../config/config.ts'
import { type FleetMembership, readMembership } from '../fleet/membership.ts'

/** The store of this agent, and what else follows from where it is. */
export interface OpenedStore {
  readonly store: Store
  readonly engine: 'sqlite' | 'etcd'
  /** Names the store, so that a copy of another one is not taken for its copy. */
  readonly source: string
  /** Revisions of the history that are kept; 0: somebody else sees to that. */
  readonly keptRevisions: number
  /** SHA-256 of the certificate that this host proves itself by. */
  readonly fingerprint?: string
  readonly membership?: FleetMembership
}

/** A store in etcd with what it was opened by. */
export interface OpenedEtcd extends OpenedStore {
  readonly fingerprint: string
  readonly credentials: { readonly ca: string; readonly certificate: string; readonly key: string }
}

/** Opens the store that the configuration names; where it names none, that of the fleet that the
 *  host is in; else the SQLite file of a host that is alone. Errors: PUR_STORE_*, PUR_AGENT_BUSY,
 *  PUR_CONFIG_INVALID for certificates that cannot be read. */
export async function openStore(configuration: Configuration, clock: Clock): Promise<OpenedStore> {
  const membership = await readMembership(configuration.state.folder)
  const chosen = configuration.store ?? membership?.store
  const file = `${configuration.state.folder}/state.db`
  const own = membership && { membership, fingerprint: fingerprintOf(membership.certificate) }
  if (chosen?.engine === 'etcd') {
    const opened = await openEtcd(chosen, clock)
    if (configuration.store === undefined) await leaveFile(file)
    return { ...opened, ...own }
  }
  const store = await openSqliteStore({ file, clock })
  return { store, engine: 'sqlite', source: 'state.db', keptRevisions: 0, ...own }
}

/** Opens a store in etcd. Errors: PUR_CONFIG_INVALID. */
export async function openEtcd(chosen: EtcdConfiguration, clock: Clock): Promise<OpenedEtcd> {
  const { endpoints, prefix, keptRevisions } = chosen
  const [ca, certificate, key] = await Promise.all([
    readPem(chosen.ca),
    readPem(chosen.certificate),
    readPem(chosen.key),
  ])
  const store = openEtcdStore({ endpoints, prefix, ca, certificate, key, clock })
  const source = `etcd ${prefix} ${createHash('sha256').update(ca).digest('hex')}`
  const fingerprint = fingerprintOf(certificate)
  const credentials = { ca, certificate, key }
  return { store, engine: 'etcd', source, keptRevisions, fingerprint, credentials }
}

/** SHA-256 of a certificate, as Node writes it. */
export function fingerprintOf(certificate: string): string {
  return new X509Certificate(certificate).fingerprint256
}

/** The name that a file gets when nobody goes on with it: one that no other file has. */
export async function leftName(file: string): Promise<string> {
  for (let number = 1; ; number++) {
    const name = number === 1 ? `${file}.left` : `${file}.left-${number}`
    const taken = await access(name).then(
      () => true,
      () => false,
    )
    if (!taken) return name
  }
}

/** The file of a host that was alone is kept, by a name that says that nobody goes on with it. */
async function leaveFile(file: string): Promise<void> {
  const left = await leftName(file)
  for (const suffix of ['', '-wal', '-shm']) {
    await rename(`${file}${suffix}`, `${left}${suffix}`).catch((thrown: unknown) => {
      if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')) throw thrown
    })
  }
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const message = `store: ${file}: cannot be read: ${toPurlinError(cause).message}`
    throw new PurlinError('PUR_CONFIG_INVALID', { message, cause })
  }
}
