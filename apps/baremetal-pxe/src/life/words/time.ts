import type { Life } from '../life.ts'
import { fails, ignored, type Verdict } from './verdict.ts'

/** Starts over the network for one purpose; the last of them after a lasting boot device. */
export const ATTEMPTS_MAX = 4
/** A node that asked what to boot and then fell silent is started so often in all. */
const SILENT_ATTEMPTS_MAX = 3

const words: Readonly<Record<string, string>> = {
  verifying: 'its BMC did not tell who the machine is',
  preparing: 'media and answers were not ready',
  installing: 'the installer did not tell that it partitions',
  partitioning: 'the installation did not go on after partitioning',
  writing: 'the image was not written',
  bootloader: 'the boot loader was not installed',
  configuring: 'the post step did not end',
  rebooting: 'the installed system did not tell that it runs',
  cancelling: 'the machine could not be switched off',
  leaving: 'the machine could not be started again',
}

/** What it means that the time has come which a life waits for. Pure. */
export function wordOfTime(life: Life, nowMs: number): Verdict {
  const { state, deadlineAtMs, boot, pending } = life
  if (deadlineAtMs === undefined || nowMs < deadlineAtMs) return ignored('its time has not come')
  const startingOver = ['discovering', 'booting', 'erasing', 'rescuing'].includes(state)
  if (!startingOver || boot === undefined) return silent(`${words[state]} within its deadline`)
  const command = pending.find(({ work }) => ['stop', 'start', 'settle'].includes(work.do))
  if (command !== undefined) {
    return silent(`its BMC did not carry out ${command.work.do} within its deadline`)
  }
  if (state === 'discovering' && boot.working) return { word: 'settle' }
  if (boot.contactAtMs === undefined) {
    if (boot.attempt < ATTEMPTS_MAX) return { word: 'again' }
    const tried = `${ATTEMPTS_MAX} starts, the last with a lasting boot device`
    const cause = `network boot not honoured: the node never asked what to boot in ${tried}`
    return fails('PUR_LIFE_BOOT_IGNORED', cause, true)
  }
  if (state === 'erasing' && boot.working) return silent('the disks were not erased')
  // Whoever has the answer may be writing already, and only its telling was lost.
  const answered = boot.purpose === 'install' && (life.grant?.served.length ?? 0) > 0
  if (answered) return silent('the installer took its answers and did not tell that it began')
  if (boot.attempt < SILENT_ATTEMPTS_MAX) return { word: 'again' }
  return silent(`the node asked what to boot and told nothing after it, ${boot.attempt} times`)
}

/** What it means that the power is seen to be other than it was. Pure. */
export function wordOfPower(life: Life, power: 'on' | 'off'): Verdict {
  const { state, boot, pending } = life
  if (['enrolled', 'manageable', 'available', 'active', 'rescue', 'failed'].includes(state)) {
    return power === life.power || pending.length > 0 ? ignored('as known') : { word: 'drift' }
  }
  const writes = ['installing', 'partitioning', 'writing', 'bootloader', 'configuring']
  const waits = ['discovering', 'booting', 'erasing', 'rescuing'].includes(state)
  const working = writes.includes(state) || (waits && boot?.contactAtMs !== undefined)
  if (power === 'on' || !working || pending.length > 0) return ignored('it is being switched')
  return fails('PUR_LIFE_POWER_LOST', `the machine was found off in the middle of ${state}`, true)
}

function silent(cause: string): Verdict {
  return fails('PUR_LIFE_SILENT', cause, true)
}
