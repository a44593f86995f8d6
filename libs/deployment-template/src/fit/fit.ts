import { failure, type Problem, type Result, success } from '@purlin/base'
import type { DiscoveryReport, SpecOf } from '@purlin/schema'
import type { Layout, LayoutDisk } from '../layout.ts'
import { bootNeeds } from './boot-needs.ts'
import { chooseDisks } from './choose-disks.ts'
import { layOutDisk } from './lay-out-disk.ts'
import { layOutArrays, layOutGroups } from './lay-out-groups.ts'

/** Lays a template out on the chassis that sent `report`: disks by its rules, partitions, arrays
 *  and groups with sizes, and what BIOS or UEFI needs to boot. Pure and total. Errors: every reason
 *  why it does not fit, each with its path in the template’s spec. */
export function fit(
  spec: SpecOf<'DeploymentTemplate'>,
  report: DiscoveryReport,
): Result<Layout, readonly Problem[]> {
  const firmware = report.firmware.mode
  const { chosen, problems } = chooseDisks(spec.disks, report)
  const needs = bootNeeds(spec, firmware)
  const found: Problem[] = [...problems, ...missingNics(spec, report)]
  const disks: LayoutDisk[] = []
  for (const [index, disk] of spec.disks.entries()) {
    const choice = chosen[index]
    if (choice === undefined) continue
    const laid = layOutDisk(disk, index, choice, needs[index] ?? { boot: false })
    disks.push(laid.disk)
    found.push(...laid.problems)
  }
  // An array without one of its disks has no size to judge groups by.
  if (disks.length < spec.disks.length) return failure(found)
  const laidArrays = layOutArrays(spec, disks)
  const laidGroups = layOutGroups(spec, disks, laidArrays.arrays)
  found.push(...laidArrays.problems, ...laidGroups.problems)
  if (found.length > 0) return failure(found)
  const { architecture } = report.cpu
  return success({
    firmware,
    architecture,
    disks,
    arrays: laidArrays.arrays,
    groups: laidGroups.groups,
  })
}

function missingNics(spec: SpecOf<'DeploymentTemplate'>, report: DiscoveryReport): Problem[] {
  const macs = new Set(report.nics.map(({ mac }) => mac))
  const wanted = [
    ...spec.network.nics.map(({ mac }, index) => ({ mac, path: `network.nics[${index}].mac` })),
    ...spec.network.bonds.flatMap(({ members }, index) =>
      members.map(({ mac }, position) => ({
        mac,
        path: `network.bonds[${index}].members[${position}].mac`,
      })),
    ),
  ]
  return wanted
    .filter(({ mac }) => !macs.has(mac))
    .map(({ mac, path }) => {
      const listed = [...macs].slice(0, 16).join(', ') || 'none'
      return { path, message: `no NIC has the MAC ${mac}; the chassis has ${listed}` }
    })
}
