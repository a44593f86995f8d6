import { type Clock, systemClock } from '@purlin/base'
import { commit, generation } from './commit.ts'
import { deleteConnections, listConnections } from './connections.ts'
import { Exchange } from './exchange.ts'
import { findElements } from './find-elements.ts'
import { readChains } from './read-chains.ts'
import { readCounters, readElements, readTables } from './read-tables.ts'
import type { NetfilterSocket, Stop } from './socket.ts'
import { watchLogs } from './watch-logs.ts'
import { type RulesWatch, watchRules } from './watch-rules.ts'
import { watchTraces } from './watch-traces.ts'

/** Opens the kernel's netfilter in the present network namespace. Errors: PUR_NATIVE_MISSING,
 *  PUR_NFT_UNREADABLE without the privilege. */
export function openNetfilterSocket(clock: Clock = systemClock): NetfilterSocket {
  const exchange = new Exchange()
  const ownPorts = new Set([exchange.portId])
  const stops = new Set<Stop>()
  const kept = (stop: Stop): Stop => {
    stops.add(stop)
    return () => {
      stops.delete(stop)
      stop()
    }
  }
  const watches = new Set<RulesWatch>()
  const hear = (isOn: boolean): void => {
    for (const watch of watches) watch.hear(isOn)
  }
  return {
    generation: (options) => generation(exchange, options),
    commit: async (changes, options) => {
      if (options?.unheard !== true) return await commit(exchange, changes, options)
      hear(false)
      try {
        return await commit(exchange, changes, options)
      } finally {
        hear(true)
      }
    },
    readTables: (tables, options) => readTables(exchange, tables, options),
    readElements: (set, options) => readElements(exchange, set, options),
    findElements: (set, elements, options) => findElements(exchange, set, elements, options),
    readChains: (chains, options) => readChains(exchange, chains, options),
    readCounters: (table = 'inet', options) => readCounters(exchange, table, options),
    watchRules: (onChange) => {
      const watch = watchRules(() => ownPorts, onChange)
      watches.add(watch)
      return kept(() => {
        watches.delete(watch)
        watch.stop()
      })
    },
    listConnections: (filter, options) => listConnections(exchange, filter, options),
    deleteConnections: (entries, options) => deleteConnections(exchange, entries, options),
    watchLogs: async (group, onPacket) =>
      kept(await watchLogs(group, () => clock.nowMs(), onPacket)),
    watchTraces: (onTrace) => kept(watchTraces(onTrace)),
    close: () => {
      for (const stop of stops) stop()
      stops.clear()
      exchange.close()
    },
  }
}
