import { type PurlinError, withDeadline } from '@purlin/base'
import {
  type ChassisLife,
  type ChassisState,
  chassisAtRest,
  chassisStates,
  type Resource,
} from '@purlin/schema'
import { errorOfProblem } from '../connect/problem.ts'
import type { Transport } from '../connect/transport.ts'

export interface WaitForOptions {
  readonly signal?: AbortSignal
  /** Milliseconds until waiting is given up with PUR_DEADLINE_PASSED; the chassis goes on. An hour
   *  unless told. */
  readonly deadlineMs?: number
  /** Called with each state, step or attempt that differs from the one before. */
  readonly onLife?: (life: ChassisLife) => void
}

const DEFAULT_WAIT_MS = 3_600_000
const ASK_EVERY_MS = 1_000

/** Waits until a chassis is in one of the states. Errors: the life’s own failure where it comes to
 *  rest in `failed` and that was not wanted (with its code where it has one, `context.state`),
 *  PUR_DEADLINE_PASSED, PUR_CANCELLED, those of `get`. */
export async function waitForState(
  transport: Transport,
  get: (signal: AbortSignal) => Promise<Resource<'Chassis'>>,
  wanted: readonly ChassisState[],
  { signal, deadlineMs = DEFAULT_WAIT_MS, onLife }: WaitForOptions = {},
): Promise<Resource<'Chassis'>> {
  const { clock } = transport.options
  const what = `waiting until the chassis is ${wanted.join(' or ')}`
  let shown = ''
  return await withDeadline(
    what,
    deadlineMs,
    async (inner) => {
      for (;;) {
        const chassis = await get(inner)
        const { life } = chassis.status
        if (life !== undefined) {
          const key = `${life.state} ${life.step} ${life.attempt} ${life.sinceMs}`
          if (key !== shown) onLife?.(life)
          shown = key
          if (wanted.includes(life.state)) return chassis
          if (life.state === 'failed') throw failureOf(chassis.name, life)
        }
        await clock.sleep(ASK_EVERY_MS, inner)
      }
    },
    signal,
  )
}

/** Waits until nothing is under way with a chassis. Errors: as `waitForState`, but for `failed`. */
export async function waitForRest(
  transport: Transport,
  get: (signal: AbortSignal) => Promise<Resource<'Chassis'>>,
  options?: WaitForOptions,
): Promise<Resource<'Chassis'>> {
  return await waitForState(transport, get, REST, options)
}

const REST = chassisStates.filter(chassisAtRest)

function failureOf(name: string, { failure }: ChassisLife): PurlinError {
  const where = failure === undefined ? '' : ` while ${failure.state}`
  const detail = `chassis ${name} failed${where}: ${failure?.cause ?? 'no cause was told'}`
  const code = failure?.code ?? 'PUR_LIFE_NODE_FAILED'
  return errorOfProblem({ code, detail }, { chassis: name, state: failure?.state ?? 'failed' })
}
