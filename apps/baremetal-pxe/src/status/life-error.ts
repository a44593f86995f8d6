import { type ErrorCode, errorCatalogue, PurlinError } from '@purlin/base'
import type { Life } from '../life/life.ts'

/** Why a life stopped, as an error that a task ends with; undefined for one that goes on. Pure. */
export function errorOfLife({ chassis, state, failure }: Life): PurlinError | undefined {
  if (state !== 'failed' || failure === undefined) return undefined
  const code = isErrorCode(failure.code) ? failure.code : 'PUR_LIFE_NODE_FAILED'
  const message = `chassis ${chassis}, ${failure.step}: ${failure.cause}`
  return new PurlinError(code, { message, context: { step: failure.step, chassis } })
}

/** Whether a text is a code of the catalogue. */
export function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(errorCatalogue, code)
}
