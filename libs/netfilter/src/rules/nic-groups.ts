import { PurlinError } from '@purlin/base'

/** What the messages name: `web-1/eth0`, and the groups it has in their order. */
export interface NicGroups {
  readonly nic: string
  readonly groups: readonly string[]
}

/** Gives the NIC one more group at `priority`, 0 to n; absent: behind the others. Pure.
 *  Errors: PUR_INVALID where it has the group, PUR_SG_PRIORITY_GAP. */
export function attachGroup(
  { nic, groups }: NicGroups,
  group: string,
  priority: number = groups.length,
): readonly string[] {
  const at = groups.indexOf(group)
  if (at >= 0) {
    throw invalid('group', `${nic} has ${group} already, at priority ${at}; reorder moves it`)
  }
  if (priority > groups.length) {
    const message = `must be 0 to ${groups.length} among the groups of ${nic}, found ${priority}: priorities have no gaps`
    throw new PurlinError('PUR_SG_PRIORITY_GAP', {
      message: `priority: ${message}`,
      problems: [{ path: 'priority', message }],
      context: { last: groups.length, found: priority },
    })
  }
  return groups.toSpliced(priority, 0, group)
}

/** Takes a group from the NIC. Pure. Errors: PUR_INVALID where it does not have it. */
export function detachGroup({ nic, groups }: NicGroups, group: string): readonly string[] {
  if (groups.includes(group)) return groups.filter((name) => name !== group)
  throw invalid('group', `${nic} does not have ${group}; it has: ${shown(groups)}`)
}

/** The NIC's groups in another order: the same ones, each once. Pure. Errors: PUR_INVALID naming
 *  what is missing, unknown or there twice. */
export function reorderGroups(
  { nic, groups }: NicGroups,
  order: readonly string[],
): readonly string[] {
  const missing = groups.filter((name) => !order.includes(name))
  const unknown = order.filter((name) => !groups.includes(name))
  const twice = order.filter((name, index) => order.indexOf(name) !== index)
  const faults = [
    ...(missing.length > 0 ? [`lacks ${shown(missing)}`] : []),
    ...(unknown.length > 0 ? [`names ${shown(unknown)}, which the NIC does not have`] : []),
    ...(twice.length > 0 ? [`names ${shown(twice)} more than once`] : []),
  ]
  if (faults.length === 0) return order
  const advice = `${nic} has: ${shown(groups)}; attach and detach change which they are`
  throw invalid('groups', `${faults.join('; ')}; ${advice}`)
}

function shown(groups: readonly string[]): string {
  return groups.join(', ') || 'none'
}

function invalid(path: string, message: string): PurlinError {
  return new PurlinError('PUR_INVALID', {
    message: `${path}: ${message}`,
    problems: [{ path, message }],
  })
}
