import type { PortMove } from '@purlin/schema'
import { type PortMoveEvent, portMoves } from './phase.ts'

/** What a host sees of a port that moves. */
export interface MoveSight {
  readonly host: string
  readonly nowMs: number
  /** Rules and port stand on this host, as they are wanted now. */
  readonly stands: boolean
  /** The machine's device is on this host. */
  readonly hasTap: boolean
  /** All that is wanted on this host now is in force. */
  readonly isCurrent: boolean
  /** No resource was changed since the connections were read. */
  readonly isFresh: boolean
}

/** The event of a machine's move that this host has to bring about now; undefined: it is another
 *  host's turn, or nothing has happened. `sights` are of all ports of the machine, which move
 *  together. Pure. */
export function nextMoveEvent(
  { from, to, phase, untilMs }: PortMove,
  sights: readonly MoveSight[],
): PortMoveEvent | undefined {
  const [first] = sights
  if (first === undefined) return undefined
  const isOver = first.nowMs >= untilMs
  const all = (seen: (sight: MoveSight) => boolean): boolean => sights.every(seen)
  switch (phase) {
    case 'preparing':
      if (first.host !== to) return first.host === from && isOver ? 'cancel' : undefined
      return all(({ stands }) => stands) ? 'stands' : isOver ? 'cancel' : undefined
    case 'prepared':
      if (first.host !== from) return undefined
      // What is read while rules are being changed could outlive them elsewhere.
      if (all(({ hasTap }) => !hasTap)) return first.isCurrent ? 'left' : undefined
      return isOver ? 'cancel' : undefined
    case 'carried':
      if (first.host !== to) return undefined
      return first.isFresh ? 'taken' : 'outdated'
    case 'opened':
      if (first.host !== to) return undefined
      return all(({ hasTap, stands }) => hasTap && stands) ? 'came' : isOver ? 'wait' : undefined
  }
}

/** The move after the event; undefined: there is none any more. Pure. Errors:
 *  PUR_STATE_ILLEGAL. */
export function movedOn(move: PortMove, event: PortMoveEvent): PortMove | undefined {
  const phase = portMoves.next(move.phase, event)
  return phase === 'none' ? undefined : { ...move, phase }
}
