import { baseChains } from '../target/base-chains.ts'
import { classShape, looseShape, turnShapes, verdictShape } from '../target/sets.ts'
import { objectKey, type TableObjects } from '../target/statement.ts'

const shapes = [...turnShapes, verdictShape, looseShape, classShape('ipv4'), classShape('ipv6')]

/** What stands as long as the tables do, whatever the policy. */
export const standingObjects: TableObjects = {
  chains: new Map(baseChains.map((chain) => [objectKey(chain), chain])),
  sets: new Map(shapes.map((shape) => [objectKey(shape), { ...shape, elements: new Map() }])),
}
