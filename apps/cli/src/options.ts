import { type Kind, kindNames, kindOfWord, kinds } from '@purlin/schema'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { CommandFailure, exitCodes } from './exit-codes.ts'

/** How long a verb waits for a task when it was not told. */
export const DEFAULT_TIMEOUT_SECONDS = 600

/** How long a machine made of metal takes: it starts slowly, and an installer writes for long. */
export const METAL_TIMEOUT_SECONDS = 7_200

/** Adds the options of verbs that begin a task. */
export function withWaitOptions(
  command: Command,
  timeoutSeconds: number = DEFAULT_TIMEOUT_SECONDS,
): Command {
  return command
    .addOption(new Option('--wait', 'wait until the work is done').default(true))
    .option('--no-wait', 'print the task and leave')
    .option('--timeout <seconds>', 'how long to wait', positiveNumber, timeoutSeconds)
}

/** Adds the options of verbs that change one resource: those of tasks, and the revision seen. */
export function withChangeOptions(command: Command): Command {
  return withWaitOptions(command).addOption(
    new Option(
      '--if-revision <revision>',
      'refuse when the resource has another revision',
    ).argParser(wholeNumber),
  )
}

/** Reads a number above 0. */
export function positiveNumber(text: string): number {
  const number = Number(text)
  if (!(number > 0) || !Number.isFinite(number)) throw new InvalidArgumentError('must be above 0.')
  return number
}

/** Reads a whole number from 0. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('must be a whole number from 0.')
  return Number(text)
}

/** The kind a word means. Errors: CommandFailure (usage). */
export function kindNamed(word: string): Kind {
  const kind = kindOfWord(word)
  if (kind !== undefined) return kind
  const known = kindNames.map((each) => [each, ...kinds[each].aliases].join('|')).join(', ')
  throw new CommandFailure(`unknown kind ${word}; known: ${known}`, exitCodes.usage)
}

/** The file of a verb that takes it by option or by place, not both. Errors: CommandFailure
 *  (usage). */
export function oneFile(positional: string | undefined, option: string | undefined): string {
  if (positional !== undefined && option !== undefined) {
    throw new CommandFailure('give the file once: by -f or by its place', exitCodes.usage)
  }
  const file = positional ?? option
  if (file === undefined) {
    throw new CommandFailure('no file given: -f FILE, or - for standard input', exitCodes.usage)
  }
  return file
}
