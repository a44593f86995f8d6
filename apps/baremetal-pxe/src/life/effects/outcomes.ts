import type { Failure, Life } from '../life.ts'
import { atRest, type Effect, networkStart, onlyCommands, without } from './change.ts'
import { withReport } from './nodes.ts'

const CONSOLE_TAIL_CHARACTERS = 8_192
const EVENT_LOG_MAX = 32

const identified: Effect = (life, { event }) => {
  if (event.type !== 'carried-out' || event.outcome.did !== 'identify') return life
  const { identity, power } = event.outcome
  return { ...atRest(without(life, 'failure')), identity, power }
}

const prepared: Effect = (life, circumstances) => {
  const { event } = circumstances
  if (event.type !== 'carried-out' || event.outcome.did !== 'prepare') return life
  if (life.deployment === undefined) return life
  const { prepared: found } = event.outcome
  const next: Life = { ...life, deployment: { ...life.deployment, prepared: found } }
  return networkStart(next, found.path, 1, false, circumstances)
}

/** Disks are clean, or were never touched. */
const thenAvailable: Effect = (life, circumstances) => {
  const reported = withReport(life, circumstances)
  const off = circumstances.event.type === 'carried-out'
  const kept = atRest(without(reported, 'deployment', 'erasure', 'eraseOwed', 'before', 'sshKeys'))
  return { ...kept, ...(off && { power: 'off' as const }) }
}

const thenManageable: Effect = (life) => ({
  ...atRest(without(life, 'deployment', 'before', 'sshKeys')),
  power: 'off',
})

const thenErasing: Effect = (life, circumstances) => {
  const owing: Life = { ...life, erasure: life.erasure ?? 'quick', eraseOwed: true }
  return networkStart(owing, 'erase', 1, false, circumstances)
}

const thenActive: Effect = (life) => ({
  ...atRest(without(life, 'before', 'sshKeys')),
  power: 'on',
})

/** Back to the failure that a rescue began with, or that an erasure left behind. */
const thenFailed: Effect = (life, { nowMs }) => {
  const owed: Failure = {
    step: 'erasing',
    cause: 'the erasure was given up; what is on the disks has to be erased before other use',
    code: 'PUR_CANCELLED',
    retriable: true,
    atMs: nowMs,
    consoleTail: '',
    eventLog: [],
  }
  const failure = life.before?.failure ?? life.failure ?? owed
  return { ...atRest(without(life, 'before', 'sshKeys')), failure, power: 'off' }
}

const pause: Effect = (life, { event, nowMs, deadlines }) => {
  if (event.type !== 'carried-out') return life
  const pending = life.pending.map((command) => {
    if (command.id !== event.id) return command
    const pauseMs = Math.min(deadlines.pauseMostMs, deadlines.pauseMs * 2 ** command.tries)
    return { ...command, tries: command.tries + 1, notBeforeMs: nowMs + pauseMs }
  })
  return { ...life, pending }
}

/** A command without a word of its own is done, or was given up. */
const done: Effect = (life, { event, nowMs }) => {
  if (event.type !== 'carried-out') return life
  const { outcome } = event
  if (outcome.did === 'nothing') {
    const { code, cause, command } = outcome
    return { ...life, trouble: { command, code, cause, atMs: nowMs } }
  }
  if (outcome.did === 'stop') return { ...life, power: 'off' }
  if (outcome.did === 'power') return { ...life, power: outcome.power }
  if (outcome.did !== 'diagnose' || life.failure === undefined) return life
  const { power, eventLog, consoleTail } = outcome
  const failure: Failure = {
    ...life.failure,
    ...(power !== undefined && { power }),
    eventLog: eventLog.slice(-EVENT_LOG_MAX),
    consoleTail: (consoleTail || life.failure.consoleTail).slice(-CONSOLE_TAIL_CHARACTERS),
  }
  return { ...life, failure, ...(outcome.powerAfter && { power: outcome.powerAfter }) }
}

const drift: Effect = (life, { event }) =>
  event.type === 'power-seen' ? { ...life, power: event.power } : life

/** What was proved of the machine with the former MAC, or by a MAC that is believed no more, is
 *  proved no more. */
const amend: Effect = (life, { event }) => {
  if (event.type !== 'amended') return life
  const { bootMac, firmware, trustsMac = false } = event
  const stands = bootMac === life.bootMac && (trustsMac || life.provenByMac !== true)
  const kept = stands ? life : without(life, 'proven', 'provenByMac')
  return { ...without(kept, 'trustsMac'), bootMac, firmware, ...(trustsMac && { trustsMac }) }
}

/** Everything stops: no token is good, nothing is pending but the look at what was to be seen. A
 *  node that may still be writing is switched off after it; one that starts from its own disk is
 *  left for people to look at. */
const fail: Effect = (life, { event, nowMs, cause }) => {
  if (cause === undefined) return life
  const off = life.boot !== undefined && life.state !== 'rebooting'
  const failure: Failure = {
    step: life.state,
    cause: cause.cause,
    code: cause.code,
    retriable: cause.retriable,
    atMs: nowMs,
    consoleTail: (event.consoleTail ?? '').slice(-CONSOLE_TAIL_CHARACTERS),
    eventLog: [],
  }
  return { ...onlyCommands(atRest(life), { do: 'diagnose', off }), failure }
}

/** Effects of what came of commands, and of failing. */
export const outcomeEffects = {
  identified,
  prepared,
  thenAvailable,
  thenManageable,
  thenErasing,
  thenActive,
  thenFailed,
  pause,
  done,
  drift,
  amend,
  fail,
}
