import { z } from 'zod'
import { DEFAULT_GRACE_SECONDS, LONGEST_GRACE_SECONDS } from '../resources/machine-power.ts'
import { task } from '../work/task.ts'
import {
  freezeAnswer,
  freezeRequest,
  guestFile,
  guestFileRequest,
  guestFileWrite,
  guestInterfaces,
  thawAnswer,
} from './guest.ts'
import { execAnswer, execRequest, foreignMachines } from './machine.ts'
import type { Operation } from './operation.ts'

const path = '/v1/virtual-machines/:name'

/** A call that is answered with a task. */
const act = { method: 'POST', role: 'operator', status: 202, answer: task } as const

/** A call that the agent in the guest answers. */
const guest = { method: 'POST', role: 'operator', status: 200 } as const

const grace = (description: string) =>
  z.strictObject({
    graceSeconds: z.coerce
      .number()
      .int()
      .min(0)
      .max(LONGEST_GRACE_SECONDS)
      .optional()
      .meta({ description }),
  })

/** The calls about one machine. */
export const machineOperations = {
  listForeignMachines: {
    method: 'GET',
    path: '/v1/foreign-machines',
    summary: 'Domains of libvirt that are not Purlin’s: shown, and never touched.',
    role: 'viewer',
    status: 200,
    answer: foreignMachines,
  },
  startMachine: { ...act, path: `${path}/start`, summary: 'Want the machine running.' },
  stopMachine: {
    ...act,
    path: `${path}/stop`,
    summary: 'Want the machine stopped: its guest is asked, then its power is taken.',
    query: grace('How long the guest may take from now on; it becomes part of the spec.'),
  },
  destroyMachine: {
    ...act,
    path: `${path}/destroy`,
    summary: 'Want the machine stopped and take its power at once, whatever its guest does.',
  },
  pauseMachine: { ...act, path: `${path}/pause`, summary: 'Want the machine to stand still.' },
  resumeMachine: {
    ...act,
    path: `${path}/resume`,
    summary: 'Want a machine running again that stands still, sleeps or is suspended.',
  },
  suspendMachine: {
    ...act,
    path: `${path}/suspend`,
    summary: 'Want the machine off with its memory on the disk of its host.',
  },
  rebootMachine: {
    ...act,
    path: `${path}/reboot`,
    summary: 'Start the guest anew, once: it is asked, and reset when it does not listen.',
    query: grace(
      `How long the guest may take; absent: stopGraceSeconds of the spec, else ${DEFAULT_GRACE_SECONDS}. 0: the guest is not asked.`,
    ),
  },
  resetMachine: {
    ...act,
    path: `${path}/reset`,
    summary: 'Reset the machine as by its button, once.',
  },
  execMachine: {
    ...guest,
    path: `${path}/exec`,
    summary: 'Run a command in the guest through its agent.',
    body: execRequest,
    answer: execAnswer,
  },
  listGuestInterfaces: {
    ...guest,
    method: 'GET',
    path: `${path}/guest/interfaces`,
    summary: 'Interfaces and addresses as the guest has them.',
    role: 'viewer',
    answer: guestInterfaces,
  },
  readGuestFile: {
    ...guest,
    path: `${path}/guest/read-file`,
    summary: 'Read a file of the guest, at most 8 MiB.',
    body: guestFileRequest,
    answer: guestFile,
  },
  writeGuestFile: {
    ...guest,
    path: `${path}/guest/write-file`,
    summary: 'Write a file of the guest anew or to its end, at most 8 MiB.',
    body: guestFileWrite,
    answer: z.strictObject({}),
  },
  freezeGuest: {
    ...guest,
    path: `${path}/guest/freeze`,
    summary: 'Have the guest write out what it holds and take no writes, for a while.',
    body: freezeRequest,
    answer: freezeAnswer,
  },
  thawGuest: {
    ...guest,
    path: `${path}/guest/thaw`,
    summary: 'Let the guest write again.',
    answer: thawAnswer,
  },
  setGuestTime: {
    ...guest,
    path: `${path}/guest/set-time`,
    summary: 'Set the guest’s clock to that of its host.',
    answer: z.strictObject({}),
  },
} as const satisfies Record<string, Operation>
