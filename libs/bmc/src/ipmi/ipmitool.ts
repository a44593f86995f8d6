import { type Clock, PurlinError, type Run, type RunOutcome } from '@purlin/base'
import { bmcError } from '../bmc-error.ts'
import { checkIpmiAccount, type IpmiAccount } from './account.ts'
import { type IpmiFailure, lastWords, readIpmiFailure } from './failure.ts'
import { withPasswordFile } from './password-file.ts'

const PROGRAM = 'ipmitool'
/** Preferred first: SHA-256 and AES, then SHA-1 and AES (IPMI 2.0, table 22-20). */
const CIPHER_SUITES = [17, 3] as const
const OUTPUT_CHARACTERS_MAX = 4 * 1024 * 1024
/** Any code is looked at here, since the reason stands in the words. */
const EXIT_CODES = Array.from({ length: 255 }, (_, index) => index + 1)
/** No zone and no language: what is read must not depend on where it runs. */
export const IPMITOOL_ENVIRONMENT = { TZ: 'UTC', LC_ALL: 'C' } as const

export interface IpmitoolOptions {
  readonly name: string
  readonly account: IpmiAccount
  /** For password files; of memory, and of this user alone. */
  readonly folder: string
  readonly run: Run
  readonly clock: Clock
  /** Between the end of a run and the next: a call may need several. */
  readonly leastGapMs: number
  /** Most a command may take, of which a BMC that is down uses about 12 s. */
  readonly commandTimeoutMs: number
  /** How often ipmitool sends a packet that is not answered. */
  readonly tries: number
}

export interface AskOptions {
  readonly signal: AbortSignal
  /** Before the command: `-c` for values in columns, `-v` where more words do no harm: with them
   *  ipmitool says at once why there is no session. */
  readonly flags?: readonly string[]
  /** What was printed counts although the command failed in the end: one unit is absent. */
  readonly partial?: boolean
}

/** The program ipmitool for one BMC. */
export class Ipmitool {
  readonly #options: IpmitoolOptions
  #suites: readonly number[] = CIPHER_SUITES
  #lastEndMs = Number.NEGATIVE_INFINITY

  /** Errors: PUR_INVALID for an account that IPMI cannot carry. */
  constructor(options: IpmitoolOptions) {
    checkIpmiAccount(options.name, options.account)
    this.#options = options
  }

  /** Standard output of a command. Errors: those of `Bmc`; PUR_EXEC_NOT_FOUND. */
  async ask(words: readonly string[], options: AskOptions): Promise<string> {
    const { folder, account } = this.#options
    return await withPasswordFile(folder, account.password, async (file) => {
      let failure: IpmiFailure = 'session'
      for (const suite of this.#suites) {
        const flags = [...(options.flags ?? [])]
        const outcome = await this.#run(this.arguments(file, suite, flags), words, options.signal)
        if (outcome.exitCode === 0 || (options.partial === true && outcome.stdout.trim() !== '')) {
          this.#suites = [suite]
          return this.#bounded(words, outcome.stdout)
        }
        failure = flags.includes('-v')
          ? readIpmiFailure(outcome.stderr)
          : await this.#reason(outcome, file, suite, options.signal)
        if (failure !== 'cipher') throw this.#error(words, failure, lastWords(outcome.stderr))
      }
      throw this.#error(words, failure, 'it takes neither cipher suite 17 nor 3')
    })
  }

  /** The arguments before a command; the password is in the file alone. */
  arguments(
    passwordFile: string,
    suite = this.#suites[0] ?? 3,
    flags: readonly string[] = [],
    tries = this.#options.tries,
  ): readonly string[] {
    const { address, port, username } = this.#options.account
    return [
      ...flags,
      ...['-I', 'lanplus', '-H', address, '-p', String(port), '-U', username],
      ...['-f', passwordFile, '-C', String(suite), '-N', '1', '-R', String(tries)],
    ]
  }

  /** Why it failed; where ipmitool does not say, it is asked once more in its talkative form. */
  async #reason(
    outcome: RunOutcome,
    file: string,
    suite: number,
    signal: AbortSignal,
  ): Promise<IpmiFailure> {
    const told = readIpmiFailure(outcome.stderr)
    if (told !== 'session') return told
    const again = this.arguments(file, suite, ['-v'], 1)
    const { exitCode, stderr } = await this.#run(again, ['power', 'status'], signal)
    return exitCode === 0 ? told : readIpmiFailure(stderr)
  }

  async #run(
    before: readonly string[],
    words: readonly string[],
    signal: AbortSignal,
  ): Promise<RunOutcome> {
    const { run, clock, leastGapMs, commandTimeoutMs } = this.#options
    const gapMs = this.#lastEndMs + leastGapMs - clock.monotonicMs()
    if (gapMs > 0) await clock.sleep(gapMs, signal)
    try {
      return await run(PROGRAM, [...before, ...words], {
        timeoutMs: commandTimeoutMs,
        signal,
        environment: IPMITOOL_ENVIRONMENT,
        acceptedExitCodes: EXIT_CODES,
      })
    } catch (thrown) {
      if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_EXEC_TIMEOUT') throw thrown
      throw this.#error(words, 'no-answer', `no answer within ${commandTimeoutMs} ms`, thrown)
    } finally {
      this.#lastEndMs = clock.monotonicMs()
    }
  }

  #bounded(words: readonly string[], stdout: string): string {
    if (stdout.length <= OUTPUT_CHARACTERS_MAX) return stdout
    const found = `its answer is longer than ${OUTPUT_CHARACTERS_MAX} characters`
    throw bmcError('PUR_BMC_BAD_ANSWER', this.subject, words.join(' '), found)
  }

  #error(
    words: readonly string[],
    failure: IpmiFailure,
    found: string,
    cause?: unknown,
  ): PurlinError {
    const { username } = this.#options.account
    const sentence = failure === 'password' ? `it does not accept user ${username}` : found
    return bmcError(CODES[failure], this.subject, words.join(' '), sentence, cause)
  }

  get subject(): { readonly name: string; readonly address: string } {
    return { name: this.#options.name, address: this.#options.account.address }
  }
}

const CODES = {
  password: 'PUR_BMC_PASSWORD',
  cipher: 'PUR_BMC_UNSUPPORTED',
  session: 'PUR_BMC_UNREACHABLE',
  'no-answer': 'PUR_BMC_NO_ANSWER',
  unsupported: 'PUR_BMC_UNSUPPORTED',
  refused: 'PUR_BMC_REFUSED',
} as const satisfies Record<IpmiFailure, string>
