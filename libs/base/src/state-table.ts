import { PurlinError } from './errors/purlin-error.ts'

/** Rows of a state machine: for each state, the events it knows and the state each leads to. */
export type StateRows = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Every state of a table: those with a row, and those only reached. */
export type StateOf<Rows extends StateRows> =
  | (keyof Rows & string)
  | { [State in keyof Rows]: Rows[State][keyof Rows[State]] }[keyof Rows]

/** Every event of a table. */
export type EventOf<Rows extends StateRows> = {
  [State in keyof Rows]: keyof Rows[State] & string
}[keyof Rows]

export interface StateTable<Rows extends StateRows> {
  readonly rows: Rows
  readonly states: readonly StateOf<Rows>[]
  readonly events: readonly EventOf<Rows>[]
  /** The state after `event`. Errors: PUR_STATE_ILLEGAL. */
  next(state: StateOf<Rows>, event: EventOf<Rows>): StateOf<Rows>
  /** Whether `event` is possible in `state`. */
  allows(state: StateOf<Rows>, event: EventOf<Rows>): boolean
}

/** A state machine written as a table, so that every (state, event) can be read and tested. */
export function stateTable<const Rows extends StateRows>(rows: Rows): StateTable<Rows> {
  const states = [
    ...new Set(Object.entries(rows).flatMap(([state, row]) => [state, ...Object.values(row)])),
  ]
  const events = [...new Set(Object.values(rows).flatMap((row) => Object.keys(row)))]
  const target = (state: string, event: string): string | undefined => {
    const row = Object.hasOwn(rows, state) ? rows[state] : undefined
    return row !== undefined && Object.hasOwn(row, event) ? row[event] : undefined
  }
  return {
    rows,
    states: states as StateOf<Rows>[],
    events: events as EventOf<Rows>[],
    allows: (state, event) => target(state, event) !== undefined,
    next: (state, event) => {
      const reached = target(state, event)
      if (reached === undefined) {
        const known = Object.keys(rows[state] ?? {}).join(', ') || 'none'
        throw new PurlinError('PUR_STATE_ILLEGAL', {
          message: `${event} is not possible in state ${state}; possible there: ${known}`,
          context: { state, event },
        })
      }
      return reached as StateOf<Rows>
    },
  }
}
