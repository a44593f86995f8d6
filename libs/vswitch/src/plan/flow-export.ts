import type { FlowExport } from '@purlin/schema'
import type { SwitchDesired } from '../desired.ts'
import type { FlowExportObserved, VswitchObserved } from '../observed.ts'

/** What of the export of flows is not as wanted, in words. One that another made is left alone,
 *  unless it stands where ours should be. Pure. */
export function flowExportDifferences(
  { name, flowExport }: SwitchDesired,
  observed: VswitchObserved,
): readonly string[] {
  const found = observed.bridges.get(name)?.flowExports ?? []
  const ours = found.filter(({ isOurs }) => isOurs)
  const stray = ours.filter(({ protocol }) => protocol !== flowExport?.protocol)
  return [
    ...stray.map(({ protocol }) => `it exports ${protocol}`),
    ...(flowExport === undefined || ours.some((one) => sameExport(one, flowExport))
      ? []
      : [`it does not export ${flowExport.protocol} to ${flowExport.collectors.join(', ')}`]),
  ]
}

function sameExport(found: FlowExportObserved, wanted: FlowExport): boolean {
  return (
    found.protocol === wanted.protocol &&
    found.sampling === wanted.sampling &&
    found.counterSeconds === wanted.counterSeconds &&
    [...found.collectors].sort().join(' ') === [...wanted.collectors].sort().join(' ')
  )
}
