import type { NewEvent } from '@purlin/schema'
import type { Life } from './life.ts'
import type { Transition } from './step.ts'
import type { LifeWord } from './table.ts'

/** What people are told of a transition; undefined for what only the machinery needs. Pure. */
export function tellingOf(life: Life, transition: Transition): NewEvent | undefined {
  const { from, to, word, attempt, message } = transition
  const subject = { kind: 'Chassis', name: life.chassis }
  const context = { from, to, word, ...(attempt !== undefined && { attempt }) }
  const event = (type: string, severity: NewEvent['severity'], text: string): NewEvent => ({
    type,
    severity,
    subject,
    message: text,
    context,
  })
  if (word === 'fail') {
    return event('chassis.failed', 'critical', `failed in ${from}: ${message ?? 'no cause'}`)
  }
  if (word === 'drift') {
    const text = `it is ${life.power} now, and nobody here switched it`
    return event('chassis.power-changed', 'warning', text)
  }
  if (word === 'again') {
    const how = life.boot?.lasting === true ? ', now with a lasting boot device' : ''
    return event('chassis.started-again', 'warning', `it is started for the ${attempt}. time${how}`)
  }
  if (word === 'pause') {
    return event('chassis.command-failed', 'warning', `a command to its BMC failed in ${from}`)
  }
  if (word === 'maintain') {
    const text = life.maintenance ? 'it is in maintenance' : 'it is out of maintenance'
    return event('chassis.maintenance', 'notice', text)
  }
  if (from === to) return undefined
  const whose = life.deployment === undefined ? '' : ` for instance ${life.deployment.instance}`
  return event('chassis.state-changed', 'notice', `${WORDS[word] ?? to}${whose}: it is ${to}`)
}

const WORDS: Partial<Readonly<Record<LifeWord, string>>> = {
  identified: 'its BMC told who it is',
  thenAvailable: 'it is free',
  deploy: 'a deployment begins',
  release: 'its disks are to be erased',
  thenErasing: 'its disks were touched and are to be erased',
  running: 'the installed system runs',
  cancel: 'what was under way is given up',
  rescued: 'the rescue system can be logged in to',
}
