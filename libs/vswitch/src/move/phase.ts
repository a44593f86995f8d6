import { stateTable } from '@purlin/base'

/** How a port goes to another host. Rules and port stand there first; then the machine leaves the
 *  old host, and what its connections have come to is carried; only then it comes up on the new
 *  one, and the wire is told. Until the machine has left, the move can be given up at any
 *  moment. */
export const portMoves = stateTable({
  preparing: { stands: 'prepared', cancel: 'none' },
  prepared: { left: 'carried', cancel: 'none' },
  /** The rules were changed meanwhile: what was read before is read again. */
  carried: { taken: 'opened', outdated: 'prepared' },
  opened: { came: 'none', wait: 'none' },
})

export type PortMoveEvent = (typeof portMoves)['events'][number]
