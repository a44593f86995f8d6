import type { Alerts } from '@purlin/service'
import type { MachineView } from '../status/host-view.ts'

/** An alert for each machine that runs as somebody else made it, until its next start: no rules
 *  filter its NICs meanwhile. */
export function tellAdopted(
  alerts: Alerts,
  before: ReadonlyMap<string, MachineView>,
  after: ReadonlyMap<string, MachineView>,
): void {
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const subject = { kind: 'VirtualMachine', name }
    if (after.get(name)?.adopted === true) {
      const message = `machine ${name} was taken in while it ran: its NICs are not filtered until it is stopped and started: purlin vm stop ${name}, purlin vm start ${name}`
      alerts.raise({ code: 'PUR_VIRT_ADOPTED', severity: 'warning', subject, message })
    } else if (before.get(name)?.adopted === true) alerts.clear(subject)
  }
}
