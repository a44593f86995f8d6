import type { GuardPath } from './guard-path.ts'
import { hybridPath } from './hybrid-path.ts'
import { openflowPath } from './openflow-path.ts'

const LETTERS = ['a', 'b', 'c']
const starts = {
  nftables: () => hybridPath(LETTERS),
  'Open vSwitch': () => openflowPath(LETTERS),
}

/** The ways on which groups are enforced; the same frames are tried on each. */
export type Way = keyof typeof starts
export const ways = Object.keys(starts) as readonly Way[]

let standing: { readonly way: Way; readonly path: GuardPath } | undefined

/** Machines on the way; those of another way are ended first, since they have the same devices. */
export async function machinesOn(way: Way): Promise<GuardPath> {
  if (standing?.way === way) return standing.path
  await endMachines()
  standing = { way, path: await starts[way]() }
  return standing.path
}

/** Ends what stands. */
export async function endMachines(): Promise<void> {
  const { path } = standing ?? {}
  standing = undefined
  await path?.stop()
}
