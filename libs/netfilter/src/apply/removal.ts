import type { Change } from '../netlink/index.ts'
import { type NetfilterObserved, turnElements } from '../observe/observed.ts'
import { standingObjects } from '../observe/standing.ts'
import { turnShapes } from '../target/sets.ts'
import type { TableObjects } from '../target/statement.ts'
import type { RetainedElements } from './difference.ts'
import { everyElement, type Leftovers, leftovers } from './leftovers.ts'

/** Changes that delete those of the elements which the kernel still has. */
export function elementRemovals(
  elements: RetainedElements,
  observed: TableObjects,
): readonly Change[] {
  return turnShapes.flatMap((shape): readonly Change[] => {
    const present = turnElements(observed, shape.name)
    const found = [...(elements.get(shape.name) ?? [])].flatMap((key) => present.get(key) ?? [])
    if (found.length === 0) return []
    return [{ change: 'delete-elements', set: shape, elements: found }]
  })
}

/** What no element of any map leads to. */
export function unused(observed: NetfilterObserved): Leftovers {
  return leftovers(standingObjects, observed, everyElement(observed))
}
