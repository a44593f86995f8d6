import { agentErrors } from './agent.ts'
import { blockErrors } from './block.ts'
import { bmcErrors } from './bmc.ts'
import { bootErrors } from './boot.ts'
import { cacheErrors } from './cache.ts'
import { consoleErrors } from './console.ts'
import { ecErrors } from './ec.ts'
import { fleetErrors } from './fleet.ts'
import { generalErrors } from './general.ts'
import { lifeErrors } from './life.ts'
import { machineSnapshotErrors } from './machine-snapshot.ts'
import { mediaErrors } from './media.ts'
import { monitoringErrors } from './monitoring.ts'
import { nativeErrors } from './native.ts'
import { netfilterErrors } from './netfilter.ts'
import { reconcileErrors } from './reconcile.ts'
import { rehearsalErrors } from './rehearsal.ts'
import { secretErrors } from './secret.ts'
import { storeErrors } from './store.ts'
import { virtErrors } from './virt.ts'
import { vswitchErrors } from './vswitch.ts'

/** What sort of thing went wrong; it decides the HTTP status and the command line's exit code. */
export type ErrorKind =
  | 'invalid'
  | 'missing'
  | 'state'
  | 'revision'
  | 'capacity'
  | 'unauthenticated'
  | 'forbidden'
  | 'unavailable'
  | 'timeout'
  | 'failed'

/** Whether the same call may succeed later: never, by itself after a while, or after a person
 *  changed something. */
export type RetryAdvice = 'never' | 'later' | 'after-change'

/** One row of the catalogue. `meaning` is the sentence of the documentation. */
export interface ErrorEntry {
  readonly kind: ErrorKind
  readonly retry: RetryAdvice
  readonly meaning: string
}

/** Every error Purlin can answer with, by its stable code. Codes are added, never renamed. */
export const errorCatalogue = {
  ...generalErrors,
  ...storeErrors,
  ...reconcileErrors,
  ...agentErrors,
  ...fleetErrors,
  ...netfilterErrors,
  ...vswitchErrors,
  ...virtErrors,
  ...consoleErrors,
  ...machineSnapshotErrors,
  ...nativeErrors,
  ...cacheErrors,
  ...ecErrors,
  ...blockErrors,
  ...bmcErrors,
  ...bootErrors,
  ...monitoringErrors,
  ...rehearsalErrors,
  ...lifeErrors,
  ...mediaErrors,
  ...secretErrors,
} as const satisfies Record<`PUR_${string}`, ErrorEntry>

/** A stable error code, `PUR_<AREA>_<FACT>`. */
export type ErrorCode = keyof typeof errorCatalogue

/** HTTP status of each kind (RFC 9110; 507 is RFC 4918). */
export const httpStatusOfKind: Readonly<Record<ErrorKind, number>> = {
  invalid: 422,
  missing: 404,
  state: 409,
  revision: 412,
  capacity: 507,
  unauthenticated: 401,
  forbidden: 403,
  unavailable: 503,
  timeout: 504,
  failed: 500,
}

/** The catalogue's row of `code`, or undefined for a text that is no code of ours. */
export function errorEntry(code: string): ErrorEntry | undefined {
  return Object.hasOwn(errorCatalogue, code) ? errorCatalogue[code as ErrorCode] : undefined
}
