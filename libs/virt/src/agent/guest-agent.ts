import { type Clock, PurlinError, withDeadline } from '@purlin/base'
import { readDomain } from '../domain/read.ts'
import type { CallOptions, LibvirtPort } from '../port/libvirt-port.ts'
import type { GuestInterface } from './answers.ts'
import { decodeBase64, readExecStatus, readInterfaces } from './answers.ts'
import { AGENT_TIMEOUT_SECONDS, ANSWER_MARGIN_MS, askBy } from './ask.ts'
import { type GuestFile, readGuestFile, writeGuestFile } from './guest-files.ts'

export interface GuestCommand {
  /** Program in the guest and its arguments; no shell is between. */
  readonly command: readonly [string, ...string[]]
  /** Given to the program's standard input. */
  readonly input?: string
}

export interface GuestOutcome {
  /** 128 and more: ended by that signal. */
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** Whether the agent cut the output (it keeps 16 MiB of each). */
  readonly truncated: boolean
}

/** The QEMU guest agent of a machine, through libvirt. Errors of all: PUR_VIRT_AGENT_UNRESPONSIVE,
 *  PUR_DEADLINE_PASSED, and those of LibvirtPort. */
export interface GuestAgent {
  /** Resolves when the agent answered; by libvirt's event, not by asking over and over. */
  waitForAgent(machine: string, deadlineMs: number, signal?: AbortSignal): Promise<void>
  ping(machine: string, options: CallOptions): Promise<void>
  /** Runs a program in the guest to its end. A program whose deadline passes goes on in the
   *  guest. */
  exec(machine: string, command: GuestCommand, options: CallOptions): Promise<GuestOutcome>
  interfaces(machine: string, options: CallOptions): Promise<readonly GuestInterface[]>
  /** Reads a file of the guest up to `maxBytes`, at most 8 MiB. */
  readFile(
    machine: string,
    file: { readonly path: string; readonly maxBytes: number },
    options: CallOptions,
  ): Promise<GuestFile>
  /** Writes a file of the guest anew, or to its end; at most 8 MiB. */
  writeFile(
    machine: string,
    file: { readonly path: string; readonly content: Uint8Array; readonly append: boolean },
    options: CallOptions,
  ): Promise<void>
  /** Has the guest write out what it holds and take no more writes; answers how many file systems
   *  are frozen. Until it is thawed its agent carries out no programs and no files. */
  freeze(machine: string, options: CallOptions): Promise<number>
  /** Answers how many file systems were thawed. */
  thaw(machine: string, options: CallOptions): Promise<number>
  /** Sets the guest's clock to that of the host. */
  setTime(machine: string, options: CallOptions): Promise<void>
}

/** A guest writes all that it holds back before it is frozen. */
const FREEZE_TIMEOUT_SECONDS = 60
/** Pauses between two looks at a program that runs: growing, so that short ones end soon. */
const POLL_FIRST_MS = 10
const POLL_LONGEST_MS = 250
/** A look without an event, for one that was lost with a connection. */
const RECHECK_MS = 5_000
/** Pause after an agent that is connected and yet does not answer. */
const RETRY_MS = 250
const NANOSECONDS_OF_MS = 1_000_000

export interface GuestAgentOptions {
  readonly libvirt: LibvirtPort
  readonly clock: Clock
}

/** Makes the agent's client. */
export function createGuestAgent(options: GuestAgentOptions): GuestAgent {
  const { libvirt, clock } = options
  const askFully = askBy(libvirt)
  const ask = (
    machine: string,
    execute: string,
    call: CallOptions,
    parameters?: Readonly<Record<string, unknown>>,
  ): Promise<unknown> => askFully(machine, { execute, ...(parameters && { parameters }) }, call)
  const count = async (machine: string, execute: string, call: CallOptions): Promise<number> =>
    Number(await askFully(machine, { execute, timeoutSeconds: FREEZE_TIMEOUT_SECONDS }, call))
  return {
    ping: async (machine, call) => {
      await ask(machine, 'guest-ping', call)
    },
    interfaces: async (machine, call) =>
      readInterfaces(await ask(machine, 'guest-network-get-interfaces', call)),
    readFile: (machine, file, call) => readGuestFile(askFully, machine, file, call),
    writeFile: (machine, file, call) => writeGuestFile(askFully, machine, file, call),
    freeze: (machine, call) => count(machine, 'guest-fsfreeze-freeze', call),
    thaw: (machine, call) => count(machine, 'guest-fsfreeze-thaw', call),
    setTime: async (machine, call) => {
      await ask(machine, 'guest-set-time', call, { time: clock.nowMs() * NANOSECONDS_OF_MS })
    },
    waitForAgent: (machine, deadlineMs, signal) =>
      withDeadline(
        `waiting for the guest agent of ${machine}`,
        deadlineMs,
        (inner) =>
          waitForAgent(options, machine, (call) => ask(machine, 'guest-ping', call), inner),
        signal,
      ),
    exec: (machine, { command, input }, call) => {
      const [path, ...arg] = command
      return withDeadline(
        `running ${path} in machine ${machine}`,
        call.deadlineMs,
        async (signal) => {
          const left = { deadlineMs: call.deadlineMs, signal }
          const begun = await ask(machine, 'guest-exec', left, {
            path,
            arg,
            'capture-output': true,
            ...(input !== undefined && { 'input-data': Buffer.from(input).toString('base64') }),
          })
          const pid = Number(Object(begun).pid)
          for (let pauseMs = POLL_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, POLL_LONGEST_MS)) {
            const answer = await ask(machine, 'guest-exec-status', left, { pid })
            const status = readExecStatus(answer)
            if (status !== undefined) return outcomeOf(status)
            await clock.sleep(pauseMs, signal)
          }
        },
        call.signal,
      )
    },
  }
}

async function waitForAgent(
  { libvirt, clock }: GuestAgentOptions,
  machine: string,
  ping: (call: CallOptions) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  let wake = Promise.withResolvers<void>()
  const unsubscribe = libvirt.onEvent((event) => {
    const aboutUs = event.kind === 'agent' && event.domain === machine
    if ((aboutUs && event.state === 'connected') || event.kind === 'connection') wake.resolve()
  })
  try {
    for (;;) {
      wake = Promise.withResolvers<void>()
      const connected = await isConnected(libvirt, machine, signal)
      if (connected && (await answers(ping, signal))) return
      const over = new AbortController()
      const pauseMs = connected ? RETRY_MS : RECHECK_MS
      const pause = clock.sleep(pauseMs, AbortSignal.any([signal, over.signal]))
      try {
        await Promise.race([wake.promise, pause])
      } finally {
        over.abort()
      }
    }
  } finally {
    unsubscribe()
  }
}

/** Whether the guest holds its end of the channel open; no while libvirt does not answer. */
async function isConnected(
  libvirt: LibvirtPort,
  machine: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const xml = await libvirt.domainXml(machine, { deadlineMs: RECHECK_MS, signal })
    return readDomain(xml)?.agentConnected ?? false
  } catch (thrown) {
    return notYet(thrown, ['PUR_VIRT_UNREACHABLE', 'PUR_VIRT_TIMEOUT'])
  }
}

async function answers(
  ping: (call: CallOptions) => Promise<unknown>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await ping({ deadlineMs: AGENT_TIMEOUT_SECONDS * 1_000 + ANSWER_MARGIN_MS, signal })
    return true
  } catch (thrown) {
    const codes = [
      'PUR_VIRT_AGENT_UNRESPONSIVE',
      'PUR_VIRT_UNREACHABLE',
      'PUR_VIRT_TIMEOUT',
    ] as const
    return notYet(thrown, codes)
  }
}

/** False for an error that time may mend; anything else is thrown on. */
function notYet(thrown: unknown, codes: readonly PurlinError['code'][]): false {
  if (thrown instanceof PurlinError && codes.includes(thrown.code)) return false
  throw thrown
}

function outcomeOf(status: NonNullable<ReturnType<typeof readExecStatus>>): GuestOutcome {
  const { exitCode, signal, output, errors, truncated } = status
  return {
    exitCode: exitCode ?? 128 + (signal ?? 0),
    stdout: decodeBase64(output),
    stderr: decodeBase64(errors),
    truncated,
  }
}
