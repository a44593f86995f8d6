import { isDeepStrictEqual } from 'node:util'
import { errorCatalogue, PurlinError } from '@purlin/base'
import { type Condition, isFetched, type SpecOf } from '@purlin/schema'
import type { StoredRecord } from '@purlin/service'
import { isDeploying, type Life } from '../life/life.ts'
import type { ContentKind } from '../media/index.ts'
import type { DaemonView } from './daemon-view.ts'
import { errorOfLife, isErrorCode } from './life-error.ts'

/** Whether a resource is as it is wanted. */
export interface Readiness extends Pick<Condition, 'status' | 'reason' | 'message'> {
  /** What stops it, where waiting does not mend it. */
  readonly error?: PurlinError
  /** A person has to do something first, and knows it: no task waits for that. */
  readonly waitsForPerson?: true
}

/** Judges a resource by what is observed. Pure. */
export function readinessOf({ manifest, uid }: StoredRecord, view: DaemonView): Readiness {
  switch (manifest.kind) {
    case 'DeploymentNetwork':
      return networkReadiness(manifest.name, manifest.spec, view)
    case 'Chassis':
      return chassisReadiness(view.lifeOf(manifest.name), uid)
    case 'InstallMedia':
      return contentReadiness(manifest.kind, manifest.name, manifest.spec.iso, view)
    case 'Image':
      return contentReadiness(manifest.kind, manifest.name, manifest.spec.file, view)
    case 'BareMetalInstance':
      return instanceReadiness(manifest.name, manifest.spec, uid, view)
    default:
      return { status: 'true', reason: 'Accepted', message: 'known, and used where it is named' }
  }
}

/** Judges whether something that was deleted has gone. Pure. */
export function goneFrom(
  { kind, name }: { readonly kind: string; readonly name: string },
  view: DaemonView,
): Readiness {
  const gone: Readiness = { status: 'true', reason: 'Gone', message: 'gone' }
  if (kind === 'Chassis' && view.lifeOf(name) !== undefined) return no('Leaving', 'is let go')
  if (kind === 'DeploymentNetwork') {
    const standing = view.networkOf(name)
    return standing === undefined || standing.state === 'closed' ? gone : no('Closing', 'closes')
  }
  if (kind !== 'BareMetalInstance') return gone
  const release = [...view.releases].find(([, { instance }]) => instance === name)
  if (release === undefined) return gone
  const [chassis] = release
  const life = view.lifeOf(chassis)
  if (life === undefined) return no('Releasing', `chassis ${chassis} is not known yet`)
  const error = errorOfLife(life)
  const message = error?.message ?? `chassis ${chassis} is ${life.state}`
  return { ...no('Releasing', message), ...(error && { error }) }
}

function networkReadiness(
  name: string,
  spec: SpecOf<'DeploymentNetwork'>,
  view: DaemonView,
): Readiness {
  const standing = view.networkOf(name)
  if (standing?.error !== undefined) {
    return { ...no('NotServed', standing.error.message), ...lasting(standing.error) }
  }
  if (standing?.state === 'serving' && isDeepStrictEqual(plain(standing.spec), plain(spec))) {
    return {
      status: 'true',
      reason: 'Serving',
      message: `DHCP and HTTP answer on ${spec.interface}`,
    }
  }
  return { status: 'unknown', reason: 'Pending', message: 'its services are being started' }
}

function chassisReadiness(life: Life | undefined, uid: string): Readiness {
  if (life?.chassisUid !== uid) {
    return { status: 'unknown', reason: 'Pending', message: 'not looked at yet' }
  }
  const error = errorOfLife(life)
  if (error !== undefined) return { ...no('Failed', error.message), error }
  if (life.state === 'enrolled' || life.state === 'verifying') {
    return no('Verifying', 'its BMC is asked who it is')
  }
  const maintenance = life.maintenance ? ', in maintenance' : ''
  return { status: 'true', reason: capital(life.state), message: `${life.state}${maintenance}` }
}

function contentReadiness(
  kind: ContentKind,
  name: string,
  place: string,
  view: DaemonView,
): Readiness {
  const content = view.contentOf(kind, name)
  if (content.state === 'ready') {
    return { status: 'true', reason: 'Ready', message: 'here, checked, and ready to be served' }
  }
  if (content.state === 'failed') {
    const found = no('Failed', content.cause?.message ?? 'cannot be used')
    return { ...found, waitsForPerson: true }
  }
  if (content.state === 'absent' && !isFetched(place)) {
    return { ...no('AwaitingUpload', `${place} has not been uploaded yet`), waitsForPerson: true }
  }
  const size = content.sizeBytes === undefined ? '' : ` of ${content.sizeBytes}`
  return no(capital(content.state), `${content.state}: ${content.bytes}${size} bytes are here`)
}

function instanceReadiness(
  name: string,
  spec: SpecOf<'BareMetalInstance'>,
  uid: string,
  view: DaemonView,
): Readiness {
  const life = view.lifeOf(spec.chassis)
  if (life === undefined) {
    return {
      status: 'unknown',
      reason: 'Pending',
      message: `chassis ${spec.chassis} is not known yet`,
    }
  }
  const error = errorOfLife(life)
  if (life.deployment?.uid === uid) {
    if (error !== undefined) return { ...no('Failed', error.message), error }
    if (life.state === 'active') {
      return { status: 'true', reason: 'Running', message: `runs on chassis ${spec.chassis}` }
    }
    const word = isDeploying(life.state) ? 'Deploying' : capital(life.state)
    return no(word, `chassis ${spec.chassis} is ${life.state}`)
  }
  const waiting = sourceWait(spec, view)
  if (waiting !== undefined) return waiting
  const refusal = view.refusalOf(name)
  if (refusal !== undefined) return { ...no('Refused', refusal.message), ...lasting(refusal) }
  if (error !== undefined) return { ...no('ChassisFailed', error.message), error }
  const maintenance = life.maintenance ? ' and in maintenance' : ''
  return no('Waiting', `waits for chassis ${spec.chassis}, which is ${life.state}${maintenance}`)
}

/** Why an installation cannot begin yet: its medium or image is not here. Pure. */
export function sourceWait(
  { source }: Pick<SpecOf<'BareMetalInstance'>, 'source'>,
  view: Pick<DaemonView, 'contentOf'>,
): Readiness | undefined {
  const [kind, name] =
    'media' in source
      ? (['InstallMedia', source.media] as const)
      : (['Image', source.image] as const)
  const content = view.contentOf(kind, name)
  if (content.state === 'ready') return undefined
  const message = content.cause?.message ?? `${kind} ${name} is ${content.state}`
  if (content.state !== 'failed') return no('AwaitingContent', message)
  const code = isErrorCode(content.cause?.code) ? content.cause.code : 'PUR_RESOURCE_MISSING'
  return { ...no('ContentFailed', message), error: new PurlinError(code, { message }) }
}

function no(reason: string, message: string): Readiness {
  return { status: 'false', reason, message }
}

/** An error that waiting does not mend. */
function lasting(error: PurlinError): { readonly error?: PurlinError } {
  return errorCatalogue[error.code].retry === 'later' ? {} : { error }
}

function capital(word: string): string {
  return `${word.charAt(0).toUpperCase()}${word.slice(1)}`
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null))
}
