import type { PolicyChange } from '@purlin/schema'

/** The command that makes a change, or undefined where it takes more than one. Its words need no
 *  quotes: names, numbers, addresses. Pure. */
export function commandOf(change: PolicyChange): string | undefined {
  const { action, direction, group, priority, id, toPriority } = change
  const rule = id ?? `--at ${priority} --direction ${direction}`
  switch (action) {
    case 'insertRule':
      return ['purlin sg rule insert', group, `--at ${priority}`, ...ruleFlags(change)].join(' ')
    case 'enableRule':
      return `purlin sg rule enable ${group} ${rule}`
    case 'disableRule':
      return `purlin sg rule disable ${group} ${rule}`
    case 'moveRule':
      return `purlin sg rule move ${group} ${rule} --to ${toPriority}`
    case 'enableMembersRule':
      return `purlin sg modify ${group} --members on`
    case 'addGroup':
      return undefined
  }
}

function ruleFlags({ direction, rule }: PolicyChange): string[] {
  if (rule === undefined) return []
  const peer = 'source' in rule ? rule.source : 'destination' in rule ? rule.destination : undefined
  const { icmp } = rule
  return [
    `--direction ${direction}`,
    `--family ${rule.family}`,
    `--proto ${rule.protocol}`,
    ...(rule.ports ? [`--ports ${rule.ports.join(',')}`] : []),
    ...(icmp ? [`--icmp-type ${icmp.type}`] : []),
    ...(icmp?.code === undefined ? [] : [`--icmp-code ${icmp.code}`]),
    ...(peer ? [`--peer ${peer.addresses.join(',')}`] : []),
    `--action ${rule.action}`,
  ]
}
