import type { Command } from 'commander'
import type { Cli } from '../../cli.ts'
import { addAlert } from '../alert.ts'
import { addApply } from '../apply.ts'
import { addRehearse } from '../bare-metal-rehearse.ts'
import { addDelete } from '../delete.ts'
import { addDescribe } from '../describe.ts'
import { addDoctor } from '../doctor.ts'
import { addEvents } from '../events.ts'
import { addGet } from '../get.ts'
import { addPlan } from '../plan.ts'
import { addState } from '../state.ts'
import { addTask } from '../task.ts'
import { addToken } from '../token.ts'
import { addChassis } from './chassis.ts'
import { addChassisBmc } from './chassis-bmc.ts'
import { addChassisReport } from './chassis-report.ts'
import { addContents } from './contents.ts'
import { addDiscovery } from './discovery.ts'
import { addInstance } from './instance.ts'
import { addNetwork } from './network.ts'

/** Verbs that both daemons have: below `bm` they speak to the one of a deployment network. */
const SHARED = [
  addApply,
  addPlan,
  addGet,
  addDescribe,
  addDelete,
  addEvents,
  addTask,
  addDoctor,
  addAlert,
  addToken,
  addState,
]

/** Fills `purlin bm`. */
export function fillBareMetal(group: Command, root: Cli): void {
  const cli = root.on('bare-metal')
  const chassis = addChassis(group, cli)
  addChassisBmc(chassis, cli)
  addChassisReport(chassis, cli)
  addInstance(group, cli)
  addContents(group, cli)
  addNetwork(group, cli)
  addDiscovery(group, cli)
  addRehearse(group, cli)
  for (const add of SHARED) add(group, cli)
}
