import { X509Certificate } from 'node:crypto'
import { type Clock, PurlinError, type Run } from '@purlin/base'
import { type Alerts, mirrorPrefix, writeWhole } from '@purlin/service'
import {
  createRequest,
  HOST_CERTIFICATE_DAYS,
  publicKeyOfRequest,
  type Store,
  signRequest,
} from '@purlin/store'
import { fingerprintOf } from '../service/open-store.ts'
import { leftMs, noteCertificate, RENEWAL, RENEWED, renewalDue } from './certificates.ts'
import { type FleetMembership, membershipFiles } from './membership.ts'
import { type KnownHost, knownHostKeys } from './presence.ts'

export interface RenewalGrounds {
  readonly store: Store
  readonly clock: Clock
  readonly run: Run
  readonly signal: AbortSignal
  readonly membership: FleetMembership
  readonly stateFolder: string
  readonly alerts: Alerts
  /** Begins the agent anew, in this process, with the new certificate. */
  readonly startAgain: (reason: string) => void
  readonly onTrouble: (thrown: unknown) => void
}

/** What a host asks with: the certificate that it has, and a request over the same key. */
interface RenewalRequest {
  readonly certificate: string
  readonly request: string
}

const LOOK_EVERY_MS = 3_600_000
const ASK_AGAIN_MS = 300_000
const ANSWER_LIMIT_MS = 60_000
const ANSWER_POLL_MS = 1_000
const ALERT_LEFT_MS = 14 * 86_400_000

/** Renews this host's certificate before it ends, over the same key, and, on the host that holds
 *  the authority's key, those of the others, who ask through the store. */
export function keepCertificate(grounds: RenewalGrounds): void {
  const { signal, onTrouble, membership } = grounds
  const trouble = (thrown: unknown): void => {
    if (!signal.aborted) onTrouble(thrown)
  }
  renewForever(grounds).catch(trouble)
  if (membership.authorityKey !== undefined) answerForever(grounds).catch(trouble)
}

async function renewForever(grounds: RenewalGrounds): Promise<void> {
  const { clock, signal, membership, alerts, stateFolder, onTrouble } = grounds
  const { certificate } = membership
  const subject = { kind: 'Host', name: membership.host }
  for (;;) {
    if (!renewalDue(certificate, clock.nowMs())) {
      await clock.sleep(LOOK_EVERY_MS, signal)
      continue
    }
    const renewed = await renew(grounds).catch((thrown) => {
      if (!signal.aborted) onTrouble(thrown)
      return undefined
    })
    if (renewed !== undefined) {
      await writeWhole(membershipFiles(stateFolder).certificate, renewed)
      grounds.startAgain('the host’s certificate was renewed')
      return
    }
    const left = leftMs(certificate, clock.nowMs())
    if (left < ALERT_LEFT_MS) {
      const days = Math.max(Math.floor(left / 86_400_000), 0)
      const message = `the certificate of ${membership.host} ends in ${days} days and was not renewed: start the agent of the host that made the fleet, which holds the authority’s key`
      alerts.raise({ code: 'PUR_FLEET_CERTIFICATE', severity: 'critical', subject, message })
    }
    await clock.sleep(ASK_AGAIN_MS, signal)
  }
}

/** A new certificate; undefined where nobody has answered in time. */
async function renew(grounds: RenewalGrounds): Promise<string | undefined> {
  const { store, clock, run, signal, membership } = grounds
  const { host, certificate, key } = membership
  const { request } = await createRequest(host, run, key)
  const asked: RenewalRequest = { certificate, request }
  const untilMs = clock.monotonicMs() + ANSWER_LIMIT_MS
  // An agent that has just started is not known by its certificate yet.
  const own = fingerprintOf(certificate)
  while ((await fingerprintsOf(store, host)).every((one) => one !== own)) {
    if (clock.monotonicMs() > untilMs) return undefined
    await clock.sleep(ANSWER_POLL_MS, signal)
  }
  if (membership.authorityKey !== undefined) {
    await answer(grounds, host, asked)
  } else {
    await store.transact({ writes: [{ put: `${RENEWAL}${host}`, value: asked }] })
  }
  while (clock.monotonicMs() < untilMs) {
    const found = (await store.get(`${RENEWED}${host}`))?.value as RenewalAnswer | undefined
    if (found !== undefined && isOurs(found.certificate, membership)) return found.certificate
    await clock.sleep(ANSWER_POLL_MS, signal)
  }
  return undefined
}

/** By which certificates a host is known. */
async function fingerprintsOf(store: Store, host: string): Promise<readonly unknown[]> {
  const known = (await store.get(knownHostKeys(host).known))?.value as KnownHost | undefined
  return [known?.fingerprint, known?.nextFingerprint]
}

interface RenewalAnswer {
  readonly certificate: string
}

/** What lies in the store is not believed for lying there. */
function isOurs(text: string, { certificate, ca }: FleetMembership): boolean {
  const [found, own] = [new X509Certificate(text), new X509Certificate(certificate)]
  return (
    found.verify(new X509Certificate(ca).publicKey) &&
    found.subject === own.subject &&
    found.publicKey.equals(own.publicKey) &&
    Date.parse(found.validTo) > Date.parse(own.validTo)
  )
}

async function answerForever(grounds: RenewalGrounds): Promise<void> {
  const { store, clock, signal, onTrouble } = grounds
  const mirror = await mirrorPrefix({ store, prefix: RENEWAL, clock, signal })
  let last: Promise<void> = Promise.resolve()
  const look = (): void => {
    for (const [key, { value }] of [...mirror.current().entries]) {
      last = last
        .then(() => answer(grounds, key.slice(RENEWAL.length), value as RenewalRequest))
        .catch(onTrouble)
    }
  }
  mirror.onChange(look)
  look()
  await mirror.ended
}

/** Signs for a host that is known by the certificate it shows and holds that one's key. */
async function answer(
  { store, run, membership }: RenewalGrounds,
  host: string,
  { certificate, request }: RenewalRequest,
): Promise<void> {
  const { ca, authorityKey } = membership
  if (authorityKey === undefined) return
  const keys = knownHostKeys(host)
  const entry = await store.get(keys.known)
  const known = entry?.value as KnownHost | undefined
  const done = { delete: `${RENEWAL}${host}` }
  if (entry === undefined || known === undefined || !(await mayRenew())) {
    await store.transact({ writes: [done] })
    const message = `${host} asked for a new certificate, and is not known by the one it showed; it was refused`
    throw new PurlinError('PUR_FLEET_CERTIFICATE', { message })
  }
  const { listen, addresses } = known
  const at = listen === undefined ? [] : [hostPart(listen)]
  const subject = { name: host, addresses: [...new Set([...at, ...addresses, '127.0.0.1'])] }
  const authority = { certificate: ca, key: authorityKey }
  const given = await signRequest(authority, request, subject, run, HOST_CERTIFICATE_DAYS)
  const nextFingerprint = fingerprintOf(given)
  await store.transact({
    guards: [{ key: keys.known, revision: entry.revision }],
    writes: [
      done,
      noteCertificate(host, given),
      { put: `${RENEWED}${host}`, value: { certificate: given } },
      { put: keys.known, value: { ...known, nextFingerprint } },
    ],
  })

  async function mayRenew(): Promise<boolean> {
    const shown = new X509Certificate(certificate)
    const theirs = await publicKeyOfRequest(request, run)
    return (
      shown.verify(new X509Certificate(ca).publicKey) &&
      shown.subject.split('\n').includes(`CN=${host}`) &&
      [known?.fingerprint, known?.nextFingerprint].includes(shown.fingerprint256) &&
      theirs.trim() === shown.publicKey.export({ type: 'spki', format: 'pem' }).toString().trim()
    )
  }
}

function hostPart(listen: string): string {
  return listen.slice(0, listen.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
