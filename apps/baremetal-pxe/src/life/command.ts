/** What the conductor is to do. Every one may be carried out twice. */
export type CommandWork =
  /** Asks the BMC who the machine is and whether it is on. */
  | { readonly do: 'identify' }
  /** Asks the BMC who the machine is, fetches media, lays out the template, renders what will be
   *  served. Nothing is switched. */
  | { readonly do: 'prepare' }
  /** Power off, so that nothing of before asks what to boot. */
  | { readonly do: 'stop' }
  /** Boot device network, for one start or for good; console recorded; power on. */
  | { readonly do: 'start'; readonly lasting: boolean }
  /** Boot device disk, so that the next start is the installed system's. */
  | { readonly do: 'set-disk' }
  /** The firmware's own order again, after a lasting start from the network. */
  | { readonly do: 'clear-boot-device' }
  /** Power off, boot device as the firmware has it. */
  | { readonly do: 'settle' }
  /** Power off, boot device disk, power on. */
  | { readonly do: 'start-from-disk' }
  /** Power, event log and console of a step that failed; then off, where asked. */
  | { readonly do: 'diagnose'; readonly off: boolean }
  | {
      readonly do: 'power'
      readonly action: PowerAction
      /** Of a soft off: how long the system has, and what then. */
      readonly deadlineMs?: number
      readonly otherwise?: 'off' | 'fail'
    }

export type PowerAction = 'on' | 'off' | 'soft' | 'cycle' | 'reset'

/** A command with its number, which its result names. */
export interface Command {
  readonly id: number
  readonly work: CommandWork
  /** Times it was tried in vain. */
  readonly tries: number
  /** Wall time before which it is not tried again. */
  readonly notBeforeMs?: number
}

/** Commands whose failure stops nothing: what they wanted is a convenience. */
export const optionalCommands: ReadonlySet<CommandWork['do']> = new Set([
  'set-disk',
  'clear-boot-device',
  'diagnose',
  'power',
])
