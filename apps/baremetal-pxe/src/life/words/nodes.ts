import type { Judgement, LifeEvent, NodeStep } from '../event.ts'
import { deployingStates, isDeploying, type Life } from '../life.ts'
import { isProven } from './proof.ts'
import { fails, ignored, refused, type Verdict } from './verdict.ts'

/** A machine that starts over and over before it has begun is not served for ever. */
const SERVED_MAX = 5

/** What it means that a node asks what to boot. Pure. */
export function wordOfContact(
  life: Life,
  { machine, words }: Extract<LifeEvent, { type: 'contact' }>,
): Verdict {
  const { state, boot, pending } = life
  if (state === 'rescue') return { word: 'contact' }
  if (['installing', 'partitioning', 'writing', 'bootloader'].includes(state)) {
    const cause = `the machine started again in the middle of ${state}`
    return fails('PUR_LIFE_RESTARTED', cause, true)
  }
  if (!['discovering', 'booting', 'erasing', 'rescuing'].includes(state)) {
    return refused(`nothing is to be started in state ${state}`)
  }
  // What asks before it was switched off is what was there before.
  if (pending.some(({ work }) => work.do === 'stop' || work.do === 'settle')) {
    return refused('it is being switched off; what was running is not served')
  }
  if (machine === 'other') return wrongMachine(words)
  if ((boot?.served ?? 0) >= SERVED_MAX) {
    const cause = `the machine asked ${SERVED_MAX} times what to boot and began nothing`
    return fails('PUR_LIFE_RESTARTED', cause, true)
  }
  return { word: 'contact' }
}

/** What a discovery report means. The machine must be the one of its BMC before anything of it is
 *  believed, and must be proven before anything of it is wiped. Pure. */
export function wordOfReport(life: Life, judgement: Judgement): Verdict {
  const { state, boot, wish, maintenance } = life
  if (state === 'rescue') return { word: 'report' }
  if (boot?.contactAtMs === undefined || boot.purpose === 'install') {
    return refused('no report is waited for')
  }
  if (judgement.identity === 'other' || !judgement.bootMacSeen) return wrongMachine(judgement.words)
  const wipes = state === 'booting' || state === 'erasing'
  if (wipes && !isProven(life, judgement)) {
    const cause = `nothing proves that this machine is the one of its BMC: ${judgement.words}`
    return fails('PUR_LIFE_UNPROVEN', cause, false)
  }
  // With a wish there is no time to wait for what a second report may tell more.
  const goOn = state === 'discovering' && wish !== undefined && !maintenance
  return { word: goOn ? 'thenAvailable' : 'report' }
}

/** What a node's own word means. Steps go forward only; one that is told again changes nothing, and
 *  one whose telling was lost is passed over. Pure. */
export function wordOfStep(life: Life, step: NodeStep, message: string | undefined): Verdict {
  const { state, boot } = life
  if (boot?.contactAtMs === undefined) return refused('no boot of it is under way')
  if (step === 'failed') return wordOfFailed(life, message)
  if (step === 'erasing' || step === 'erased') return wordOfErasing(life, step)
  if (step === 'rescue') {
    if (state === 'rescue') return { word: 'progress' }
    return state === 'rescuing' && boot.trusted ? { word: 'rescued' } : unexpected(state, step)
  }
  if (state === 'active' && step === 'running') return ignored('it runs')
  if (!isDeploying(state)) return unexpected(state, step)
  if (step === 'running') {
    return state === 'booting' ? unexpected(state, step) : { word: 'running' }
  }
  if (!boot.trusted) return refused('it has not proved yet which machine it is')
  if (step === 'installed' || step === 'rebooting') {
    return state === 'rebooting' ? { word: 'progress' } : { word: 'installed' }
  }
  const here = deployingStates.indexOf(state)
  const there = deployingStates.indexOf(step)
  if (there === here) return { word: 'progress' }
  return there > here ? { word: step } : unexpected(state, step)
}

function wordOfErasing({ state, boot, pending }: Life, step: 'erasing' | 'erased'): Verdict {
  if (state !== 'erasing' || boot?.trusted !== true) return unexpected(state, step)
  if (step === 'erasing') return { word: 'progress' }
  // Settling has begun: it was told before.
  if (pending.some(({ work }) => work.do === 'settle')) return ignored('it was told before')
  return { word: 'settle' }
}

function wordOfFailed({ state }: Life, message: string | undefined): Verdict {
  if (state === 'rescue' || state === 'active' || state === 'failed') {
    return refused(`nothing is under way in state ${state}`)
  }
  const told = message === undefined || message === '' ? 'without a word why' : message
  return fails('PUR_LIFE_NODE_FAILED', `the node told that it failed: ${told}`, true)
}

function wrongMachine(words: string): Verdict {
  return fails('PUR_LIFE_WRONG_MACHINE', `wrong machine, nothing was written: ${words}`, false)
}

function unexpected(state: string, step: string): Verdict {
  return refused(`${step} is not expected in state ${state}`)
}
