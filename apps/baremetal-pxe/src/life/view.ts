import type { ChassisLife } from '@purlin/schema'
import { isDeploying, type Life } from './life.ts'

/** A life as the API shows it. Pure. */
export function lifeView(life: Life): ChassisLife {
  const { state, sinceMs, deadlineAtMs, boot, deployment, wish, failure } = life
  const waited = waitedFor(life)
  const instance = deployment?.instance ?? wish?.instance
  const under = boot !== undefined && state !== 'active' && state !== 'failed'
  return {
    state,
    ...(waited !== undefined && { step: waited }),
    sinceMs,
    ...(deadlineAtMs !== undefined && { deadlineAtMs }),
    ...(under && { attempt: boot.attempt }),
    ...(instance !== undefined && { instance }),
    ...(life.proven !== undefined && { identity: identityView(life) }),
    maintenance: life.maintenance,
    ...(life.maintenanceReason !== undefined && { maintenanceReason: life.maintenanceReason }),
    ...(failure !== undefined && { failure: failureView(failure) }),
  }
}

function identityView({ proven, provenByMac }: Life): NonNullable<ChassisLife['identity']> {
  if (provenByMac === true) return 'mac'
  return proven === true ? 'same' : 'unknown'
}

function failureView(failure: NonNullable<Life['failure']>): NonNullable<ChassisLife['failure']> {
  const { step, cause, code, retriable, atMs, power, consoleTail, eventLog } = failure
  return {
    state: step,
    cause,
    ...(code !== undefined && { code }),
    retriable,
    atMs,
    ...(power !== undefined && { power }),
    ...(consoleTail !== '' && { consoleTail }),
    ...(eventLog.length > 0 && { eventLog: [...eventLog] }),
  }
}

/** What is waited for, in words. */
function waitedFor({ state, boot, pending, deployment }: Life): string | undefined {
  const [command] = pending
  if (command !== undefined) return command.work.do
  if (boot !== undefined && ['discovering', 'booting', 'erasing', 'rescuing'].includes(state)) {
    if (boot.contactAtMs === undefined) return 'first contact'
    if (boot.purpose === 'install') return 'begin of the installer'
    if (!boot.trusted) return 'discovery report'
    if (state === 'discovering') return 'second report'
    return boot.working ? state : 'begin of its work'
  }
  if (isDeploying(state)) return deployment === undefined ? state : `next step after ${state}`
  return undefined
}
