import type { BytesByDistance, PoolStatus } from './control/messages.ts'

/** How far what takes long is in a pool, in whole percent: when it changes, what was seen of the
 *  pool is to be seen anew. Pure. */
export function progressOf({ state, engine }: PoolStatus): string {
  const { scrub, moving } = engine ?? {}
  const parts: string[] = [state.phase]
  if (scrub) {
    const held = scrub.paused ? 'held' : 'running'
    parts.push(`scrub ${held} ${percent(scrub.walkedBytes, scrub.plannedBytes)}`)
  }
  if (moving && moving.plannedBytes > 0) {
    const done = sum(moving.movedBytes) + moving.rebuiltBytes
    parts.push(`${moving.rebalance} ${percent(done, moving.plannedBytes)}`)
  }
  return parts.join(' ')
}

function percent(done: number, planned: number): number {
  return planned === 0 ? 100 : Math.floor((done * 100) / planned)
}

function sum({ server, rack, room, across }: BytesByDistance): number {
  return server + rack + room + across
}
