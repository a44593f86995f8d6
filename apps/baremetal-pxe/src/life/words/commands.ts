import { optionalCommands } from '../command.ts'
import type { CommandOutcome } from '../event.ts'
import { isDeploying, type KnownIdentity, type Life } from '../life.ts'
import { fails, ignored, type Verdict } from './verdict.ts'

/** The BMC's driver tries three times by itself before it tells a failure. */
export const TRIES_MAX = 5

/** What the result of a command means. A result of one that is pending no more is of a state that
 *  is over. Pure. */
export function wordOfOutcome(life: Life, id: number, outcome: CommandOutcome): Verdict {
  const command = life.pending.find((each) => each.id === id)
  if (command === undefined) return ignored('its state is over')
  switch (outcome.did) {
    case 'identify':
      return { word: 'identified' }
    case 'prepare':
      return wordOfPrepared(life, outcome.identity)
    case 'prepare-refused':
      return fails('PUR_LIFE_UNFIT', outcome.cause, false)
    case 'start':
      return { word: 'started' }
    case 'settle':
      return { word: wordOfRest(life) }
    case 'start-from-disk':
      return { word: 'thenActive' }
    case 'nothing': {
      // Who switches a chassis by hand wants to know at once.
      const mayPass = outcome.passing && command.work.do !== 'power'
      const again = mayPass && command.tries + 1 < TRIES_MAX
      if (again) return { word: 'pause' }
      if (optionalCommands.has(command.work.do)) return { word: 'done' }
      const tried = `${command.work.do}, tried ${command.tries + 1} times`
      return {
        word: 'fail',
        cause: {
          code: outcome.code,
          cause: `${outcome.cause} (${tried})`,
          retriable: outcome.passing,
        },
      }
    }
    default:
      return { word: 'done' }
  }
}

type RestWord = 'thenAvailable' | 'thenManageable' | 'thenErasing' | 'thenFailed'

/** Where a chassis rests once its node is off. */
function wordOfRest(life: Life): RestWord {
  const { state, deployment, before, reportId } = life
  if (state === 'leaving') {
    if (before?.state === 'failed') return 'thenFailed'
    return before?.state === 'manageable' ? 'thenManageable' : 'thenAvailable'
  }
  if (state !== 'cancelling') return 'thenAvailable'
  // An erasure that was given up is still owed, and is not begun anew by itself.
  if (life.eraseOwed === true) return 'thenFailed'
  if (deployment?.touched === true) return 'thenErasing'
  return reportId === undefined ? 'thenManageable' : 'thenAvailable'
}

function wordOfPrepared(life: Life, found: KnownIdentity): Verdict {
  if (!isDeploying(life.state)) return ignored('its state is over')
  if (life.proven !== true) {
    const cause =
      'its discovery did not prove it to be the machine of its BMC; nothing is wiped. Where the ' +
      'machine names itself by nothing, identity.trustMac of its Chassis lets its MAC decide; ' +
      'discover it again after that'
    return fails('PUR_LIFE_UNPROVEN', cause, false)
  }
  const known = [...(life.identity?.uuids ?? []), ...(life.identity?.serials ?? [])]
  const now = new Set([...found.uuids, ...found.serials])
  // A BMC without a name then and now is all that there is to compare.
  const nameless = life.provenByMac === true && known.length === 0 && now.size === 0
  if (!nameless && !known.some((each) => now.has(each))) {
    const told = `${[...now].join(', ') || 'nothing'}, at discovery ${known.join(', ')}`
    const cause = `wrong machine, nothing was written: its BMC tells ${told}; discover it again`
    return fails('PUR_LIFE_WRONG_MACHINE', cause, false)
  }
  return { word: 'prepared' }
}
