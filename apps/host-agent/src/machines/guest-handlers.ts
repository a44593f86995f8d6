import { PurlinError } from '@purlin/base'
import type { CatalogueFollower } from '@purlin/service'
import type { GuestAgent } from '@purlin/virt'
import type { OperationHandlers } from '../api/handlers.ts'
import type { MachineActs } from './acts.ts'

export interface GuestGrounds {
  readonly catalogue: CatalogueFollower
  readonly guests: GuestAgent
  readonly acts: MachineActs
  /** This host: only its own machines' guests can be asked. */
  readonly host: string
}

type Parts = Readonly<Record<string, string>>

/** For what the guest answers at once, and for what moves a file. */
const QUESTION_MS = 10_000
const FILE_MS = 60_000
/** A guest writes all that it holds back before it is frozen. */
const FREEZE_MS = 65_000

/** The calls that the agent in a guest answers. */
export function guestHandlers(
  grounds: GuestGrounds,
): Pick<
  OperationHandlers,
  | 'execMachine'
  | 'listGuestInterfaces'
  | 'readGuestFile'
  | 'writeGuestFile'
  | 'freezeGuest'
  | 'thawGuest'
  | 'setGuestTime'
> {
  const { guests, acts } = grounds
  const nameOf = ({ params }: { readonly params: Parts }): string => machineHere(grounds, params)
  return {
    execMachine: async (call) => {
      const { command, input, timeoutMs } = call.body
      const [program = '', ...args] = command
      const options = { deadlineMs: timeoutMs, signal: call.signal }
      const { exitCode, stdout, stderr } = await guests.exec(
        nameOf(call),
        { command: [program, ...args], input },
        options,
      )
      return { exitCode, stdout, stderr }
    },
    listGuestInterfaces: async (call) => {
      const options = { deadlineMs: QUESTION_MS, signal: call.signal }
      const items = await guests.interfaces(nameOf(call), options)
      return { items: items.map((one) => ({ ...one, addresses: [...one.addresses] })) }
    },
    readGuestFile: async (call) => {
      const options = { deadlineMs: FILE_MS, signal: call.signal }
      const { content, complete } = await guests.readFile(nameOf(call), call.body, options)
      return { contentBase64: Buffer.from(content).toString('base64'), complete }
    },
    writeGuestFile: async (call) => {
      const { path, contentBase64, append } = call.body
      const content = Buffer.from(contentBase64, 'base64')
      const options = { deadlineMs: FILE_MS, signal: call.signal }
      await guests.writeFile(nameOf(call), { path, content, append }, options)
      return {}
    },
    freezeGuest: async (call) => {
      const name = nameOf(call)
      // The word that it is thawed is on disk before it is frozen.
      const thawAtMs = await acts.thawLater(name, call.body.holdSeconds * 1_000)
      const filesystems = await guests.freeze(name, { deadlineMs: FREEZE_MS })
      return { filesystems, thawAtMs }
    },
    thawGuest: async (call) => {
      const options = { deadlineMs: FREEZE_MS, signal: call.signal }
      return { filesystems: await guests.thaw(nameOf(call), options) }
    },
    setGuestTime: async (call) => {
      await guests.setTime(nameOf(call), { deadlineMs: QUESTION_MS, signal: call.signal })
      return {}
    },
  }
}

/** Errors: PUR_RESOURCE_MISSING, and PUR_VIRT_NO_DOMAIN where the machine is on another host. */
function machineHere({ catalogue, host }: GuestGrounds, { name = '' }: Parts): string {
  const record = catalogue.current().get('VirtualMachine', name)
  if (record === undefined) {
    throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no VirtualMachine named ${name}` })
  }
  const at = record.manifest.spec.host
  if (at === undefined || at === host) return name
  const message = `machine ${name} is on host ${at}: only the agent there can ask its guest; ask that one`
  throw new PurlinError('PUR_VIRT_NO_DOMAIN', { message, context: { machine: name, host: at } })
}
