import type { Command, CommandWork } from '../command.ts'
import type { Deadlines } from '../deadlines.ts'
import type { WitnessedEvent } from '../event.ts'
import type { BootPurpose, Life } from '../life.ts'
import type { Cause } from '../words/verdict.ts'

/** What an effect may look at beside the life. */
export interface Circumstances {
  readonly event: WitnessedEvent
  readonly nowMs: number
  readonly deadlines: Deadlines
  /** Of the word `fail`. */
  readonly cause?: Cause
}

/** What a word changes of a life beside its state. Pure. */
export type Effect = (life: Life, circumstances: Circumstances) => Life

/** The life without some of its optional fields. */
export function without<Field extends keyof Life>(life: Life, ...fields: readonly Field[]): Life {
  const gone: ReadonlySet<string> = new Set(fields)
  return Object.fromEntries(Object.entries(life).filter(([field]) => !gone.has(field))) as Life & {
    [K in Field]: never
  }
}

/** The life with further commands at the end of those that are pending. */
export function withCommands(life: Life, ...works: readonly CommandWork[]): Life {
  const commands = works.map(
    (work, index): Command => ({ id: life.nextCommandId + index, work, tries: 0 }),
  )
  return {
    ...life,
    pending: [...life.pending, ...commands],
    nextCommandId: life.nextCommandId + commands.length,
  }
}

/** The life with these commands alone; what was pending is given up. */
export function onlyCommands(life: Life, ...works: readonly CommandWork[]): Life {
  return withCommands({ ...life, pending: [] }, ...works)
}

/** The life with nothing under way. */
export function atRest(life: Life): Life {
  return { ...without(life, 'deadlineAtMs', 'boot', 'grant'), pending: [] }
}

/** The life with a node that is to be started over the network. */
export function networkStart(
  life: Life,
  purpose: BootPurpose,
  attempt: number,
  lasting: boolean,
  { nowMs, deadlines }: Circumstances,
): Life {
  const boot = { purpose, attempt, lasting, served: 0, trusted: false, working: false }
  return {
    ...onlyCommands(without(life, 'grant'), { do: 'stop' }, { do: 'start', lasting }),
    boot,
    deadlineAtMs: nowMs + deadlines.commandsMs,
  }
}
