import { formatAddress, parseAddress } from '@purlin/base'
import type { ExecuteContext } from '../execute/context.ts'
import { inNamespace, linkFailed } from '../links/batch.ts'
import type { Setting } from './settings.ts'
import type { Told } from './state.ts'

const TELL_DEADLINE_MS = 15_000
const FAMILIES = [
  ['ipv4', 'inet'],
  ['ipv6', 'inet6'],
] as const

/** Brings what a namespace has been told to `wanted`: what is new is applied, and then what is not
 *  wanted any more is undone, where somebody may have done that already. Settings that stand are
 *  not touched, so that traffic goes on. Errors: PUR_LINK_FAILED. */
export async function tellNamespace(
  context: ExecuteContext,
  what: string,
  processId: number,
  before: readonly Setting[],
  wanted: readonly Setting[],
): Promise<void> {
  const standing = new Set(before.map(({ apply }) => apply))
  const kept = new Set(wanted.map(({ undo }) => undo))
  const added = wanted.filter(({ apply }) => !standing.has(apply))
  const gone = before.filter(({ undo }) => !kept.has(undo))
  for (const [family, word] of FAMILIES) {
    const ofFamily = added.filter((one) => one.family === family)
    // Rules of routing cannot be replaced, and one may stand although it is told again.
    const doubled = ofFamily.filter(({ apply }) => apply.startsWith('rule add '))
    const undone = doubled.map(({ undo }) => undo)
    await ip(context, what, processId, ['-force', '-family', word], undone)
    const commands = ofFamily.map(({ apply }) => apply)
    await ip(context, what, processId, ['-family', word], commands)
  }
  for (const [family, word] of FAMILIES) {
    const commands = gone.filter((one) => one.family === family).map(({ undo }) => undo)
    await ip(context, what, processId, ['-force', '-family', word], commands)
  }
}

/** What a namespace still knows of what it has been told: another namespace nothing, and of devices
 *  that were made anew nothing either. Pure. */
export function stillTold(
  told: Told | undefined,
  stamp: string,
  fresh: readonly string[],
): readonly Setting[] {
  if (told?.stamp !== stamp) return []
  return told.settings.filter(({ apply }) => {
    const words = apply.split(' ')
    return !fresh.includes(words[words.indexOf('dev') + 1] ?? '')
  })
}

/** The settings of which a namespace's listing (`listInside`) shows nothing. Pure. */
export function unstated(
  settings: readonly Setting[],
  lines: readonly string[],
): readonly Setting[] {
  const keys = new Set(lines.flatMap(keysOf))
  return settings.filter(({ apply, family }) => {
    const [object, , first = '', second = ''] = apply.split(' ')
    const key = object === 'rule' ? `${second}:` : plainKey(first)
    return !keys.has(`${family} ${key}`)
  })
}

/** By what a line can be found: its first word, or the address that a device has. */
function keysOf(line: string): readonly string[] {
  const [family = '', first = '', , kind = '', address = ''] = line.split(' ')
  const words = kind.startsWith('inet') ? [address] : [first]
  return words.map((word) => `${family} ${plainKey(word)}`)
}

/** A network as `ip` shows it: everything by a word, a single address without its length. */
function plainKey(word: string): string {
  const [address = '', length] = word.split('/')
  if (length === '0') return 'default'
  const parsed = parseAddress(address)
  const plain = parsed === undefined ? address : formatAddress(parsed)
  const isHost = length === undefined || length === '32' || length === '128'
  return isHost ? plain : `${plain}/${length}`
}

async function ip(
  context: ExecuteContext,
  what: string,
  processId: number,
  options: readonly string[],
  commands: readonly string[],
): Promise<void> {
  if (commands.length === 0) return
  const words = inNamespace(processId, ['ip', ...options, '-batch', '-'])
  const [program = '', ...args] = words
  try {
    await context.run(program, args, {
      timeoutMs: TELL_DEADLINE_MS,
      signal: context.signal,
      input: `${commands.join('\n')}\n`,
      ...(options.includes('-force') && { acceptedExitCodes: [1, 2] }),
    })
  } catch (thrown) {
    throw linkFailed(what, thrown)
  }
}
