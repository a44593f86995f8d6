import type { DeployRequest, Life } from '../life.ts'
import {
  atRest,
  type Circumstances,
  type Effect,
  networkStart,
  onlyCommands,
  withCommands,
  without,
} from './change.ts'

/** A request to deploy that led elsewhere first is kept until the chassis is available. */
function keepWish(life: Life, { event }: Circumstances): Life {
  if (event.type !== 'asked' || event.request.ask !== 'deploy') return life
  const { instance, uid, generation } = event.request
  return { ...life, wish: { instance, uid, generation } }
}

const verify: Effect = (life, circumstances) => ({
  ...onlyCommands(atRest(without(keepWish(life, circumstances), 'failure')), { do: 'identify' }),
  deadlineAtMs: circumstances.nowMs + circumstances.deadlines.commandsMs,
})

const discover: Effect = (life, circumstances) =>
  networkStart(
    without(keepWish(life, circumstances), 'failure', 'deployment', 'before'),
    'discover',
    1,
    false,
    circumstances,
  )

/** What is deployed: what was asked just now, else the wish, else what was asked before. */
function requestOf(life: Life, { event }: Circumstances): DeployRequest | undefined {
  if (event.type === 'asked' && event.request.ask === 'deploy') {
    const { instance, uid, generation } = event.request
    return { instance, uid, generation }
  }
  return life.wish ?? life.asked
}

const deploy: Effect = (life, circumstances) => {
  const asked = requestOf(life, circumstances)
  if (asked === undefined) return life
  return {
    ...onlyCommands(atRest(without(life, 'failure', 'wish')), { do: 'prepare' }),
    asked,
    // A second try goes on with disks that the first may have touched.
    deployment: { ...asked, touched: life.deployment?.touched ?? false },
    deadlineAtMs: circumstances.nowMs + circumstances.deadlines.preparingMs,
  }
}

const release: Effect = (life, circumstances) => {
  const { event } = circumstances
  const asked =
    event.type === 'asked' && event.request.ask === 'release' ? event.request : undefined
  const erasure = asked?.erasure ?? life.erasure ?? 'quick'
  const owing: Life = { ...without(life, 'failure', 'before'), erasure, eraseOwed: true }
  return networkStart(owing, 'erase', 1, false, circumstances)
}

const rescue: Effect = (life, circumstances) => {
  const { event } = circumstances
  const asked = event.type === 'asked' && event.request.ask === 'rescue' ? event.request : undefined
  const state = life.state === 'active' || life.state === 'failed' ? life.state : restOf(life)
  const before = life.before ?? {
    state,
    ...(life.failure !== undefined && { failure: life.failure }),
  }
  const going: Life = {
    ...without(life, 'failure'),
    before,
    sshKeys: asked?.sshKeys ?? life.sshKeys ?? [],
  }
  return networkStart(going, 'rescue', 1, false, circumstances)
}

function restOf({ state }: Life): 'manageable' | 'available' {
  return state === 'manageable' ? 'manageable' : 'available'
}

const leave: Effect = (life, { nowMs, deadlines }) => ({
  ...onlyCommands(
    atRest(without(life, 'failure', 'sshKeys')),
    life.before?.state === 'active' ? { do: 'start-from-disk' } : { do: 'settle' },
  ),
  deadlineAtMs: nowMs + deadlines.commandsMs,
})

/** What was begun ends here; whatever is on the disks decides where the life goes from there. */
const cancel: Effect = (life, circumstances) => {
  const { event, nowMs, deadlines } = circumstances
  const { state } = life
  if (state === 'rescuing' || state === 'rescue') return leave(life, circumstances)
  const over = given(atRest(without(life, 'failure')))
  if (state === 'verifying') return over
  if (state === 'preparing') return without(over, 'deployment')
  const asked =
    event.type === 'asked' && event.request.ask === 'release' ? event.request : undefined
  return {
    ...onlyCommands(over, { do: 'settle' }),
    ...(asked !== undefined && { erasure: asked.erasure }),
    deadlineAtMs: nowMs + deadlines.commandsMs,
  }
}

const power: Effect = (life, { event }) => {
  if (event.type !== 'asked' || event.request.ask !== 'power') return life
  const { ask: _ask, ...rest } = event.request
  return withCommands(without(life, 'trouble'), { do: 'power', ...rest })
}

const maintain: Effect = (life, { event }) => {
  if (event.type !== 'asked' || event.request.ask !== 'maintenance') return life
  const { on, reason } = event.request
  return {
    ...without(life, 'maintenanceReason'),
    maintenance: on,
    ...(on && reason !== undefined && { maintenanceReason: reason }),
  }
}

const dismiss: Effect = (life) => given(atRest(without(life, 'failure')))

/** The life without its wish, which stays known as asked. */
function given(life: Life): Life {
  return { ...without(life, 'wish'), ...(life.wish !== undefined && { asked: life.wish }) }
}

/** An instance that is deleted is forgotten whole; a wish that is given up stays known as asked, so
 *  that nothing takes it up by itself. */
const unwish: Effect = (life, { event }) => {
  const uid = event.type === 'asked' && event.request.ask === 'release' && event.request.uid
  if (!uid) return given(life)
  const kept = life.wish?.uid === uid ? without(life, 'wish') : life
  return kept.asked?.uid === uid ? without(kept, 'asked') : kept
}

/** Effects of what people and documents ask. */
export const requestEffects = {
  verify,
  discover,
  deploy,
  release,
  rescue,
  leave,
  cancel,
  power,
  maintain,
  wish: keepWish,
  unwish,
  dismiss,
}
