import { PurlinError } from '@purlin/base'
import type { Bmc } from '@purlin/bmc'
import type { BootAnswer, chassisOperations, SpecOf, Task } from '@purlin/schema'
import type { Call, Changes, HandlersOf, Once } from '@purlin/service'
import type { Beside } from '../admit/admission.ts'
import { type Conductor, type LifeRequest, lifeView } from '../life/index.ts'
import { writeConsole } from './console-stream.ts'

/** What the calls of chassis work with. */
export interface ChassisCallGrounds {
  /** The document of a chassis. Errors: PUR_RESOURCE_MISSING. */
  readonly chassis: (name: string) => { readonly spec: SpecOf<'Chassis'> }
  readonly bmcOf: (name: string) => Promise<Bmc>
  readonly changes: Changes<Beside>
  readonly once: Once
  readonly nowMs: () => number
  readonly conductor: Pick<
    Conductor,
    'lifeOf' | 'request' | 'reportsOf' | 'reportOf' | 'reportChanges' | 'historyOf' | 'console'
  >
}

/** The calls of one chassis: its BMC, its console, its reports, its life. */
export function chassisHandlers(grounds: ChassisCallGrounds): HandlersOf<typeof chassisOperations> {
  const bmc = async ({ params, signal }: Pick<Call, 'params' | 'signal'>) => ({
    bmc: await grounds.bmcOf(nameOf(params)),
    signal,
  })
  const { conductor } = grounds
  const known = (params: Call['params']): string => {
    const name = nameOf(params)
    grounds.chassis(name)
    return name
  }
  const begin = (call: Call, verb: string, request: LifeRequest): Promise<Task> =>
    begun(grounds, call, verb, request)
  return {
    chassisPower: async (call) => {
      const of = await bmc(call)
      return { power: await of.bmc.powerState({ signal: of.signal }), readAtMs: grounds.nowMs() }
    },
    setChassisPower: (call) => {
      const { action, deadlineMs, otherwise } = call.body
      return begin(call, `power ${action}`, {
        ...{ ask: 'power', action },
        ...(deadlineMs !== undefined && { deadlineMs }),
        ...(otherwise !== undefined && { otherwise }),
      })
    },
    chassisBoot: async (call) => {
      const of = await bmc(call)
      return bootAnswerOf(await of.bmc.bootDevice({ signal: of.signal }))
    },
    setChassisBoot: async (call) => {
      refuseUnderWay(grounds, nameOf(call.params), 'its boot device')
      const { firmware } = grounds.chassis(nameOf(call.params)).spec
      const { device, lasting } = call.body
      const of = await bmc(call)
      const request = { device, lasting, firmware }
      return bootAnswerOf(await of.bmc.setBootDevice(request, { signal: of.signal }))
    },
    clearChassisBoot: async (call) => {
      refuseUnderWay(grounds, nameOf(call.params), 'its boot device')
      const of = await bmc(call)
      return bootAnswerOf(await of.bmc.clearBootDevice({ signal: of.signal }))
    },
    chassisSensors: async (call) => {
      const of = await bmc(call)
      return { items: [...(await of.bmc.sensors({ signal: of.signal }))] }
    },
    chassisFieldUnits: async (call) => {
      const of = await bmc(call)
      const units = await of.bmc.fieldUnits({ signal: of.signal })
      return { items: units.map(({ name, fields }) => ({ name, fields: [...fields] })) }
    },
    chassisEventLog: async (call) => {
      const of = await bmc(call)
      return { items: [...(await of.bmc.events({ signal: of.signal }))] }
    },
    clearChassisEventLog: async (call) => {
      const of = await bmc(call)
      await of.bmc.clearEvents({ signal: of.signal })
      return {}
    },
    chassisHardware: async (call) => {
      const of = await bmc(call)
      return await of.bmc.hardware({ signal: of.signal })
    },
    chassisIdentity: async (call) => {
      const of = await bmc(call)
      const { uuids, serials } = await of.bmc.identity({ signal: of.signal })
      return { uuids: [...uuids], serials: [...serials] }
    },
    streamChassisConsole: async (call) => await sendConsole(grounds, call),
    verifyChassis: (call) => begin(call, 'verify', { ask: 'verify' }),
    discoverChassis: (call) => begin(call, 'discover', { ask: 'discover' }),
    listChassisReports: async ({ params }) => {
      const name = known(params)
      return { items: [...(await conductor.reportsOf(name))] }
    },
    getChassisReport: async ({ params }) => {
      const name = known(params)
      return await conductor.reportOf(name, reportNumber(name, params.report ?? ''))
    },
    chassisReportChanges: async ({ params, query }) =>
      await conductor.reportChanges(known(params), query.from, query.to),
    setChassisMaintenance: async ({ params, body }) => {
      const { on, reason } = body
      const request: LifeRequest = {
        ...{ ask: 'maintenance', on },
        ...(reason !== undefined && { reason }),
      }
      return lifeView(await conductor.request(known(params), request))
    },
    rescueChassis: (call) =>
      begin(call, 'rescue', { ask: 'rescue', sshKeys: call.body.sshKeys.map((key) => key.trim()) }),
    endChassisRescue: (call) => begin(call, 'end rescue', { ask: 'cancel' }),
    cancelChassis: (call) => begin(call, 'cancel', { ask: 'cancel' }),
    retryChassis: (call) => begin(call, 'retry', { ask: 'retry' }),
    chassisHistory: async ({ params, query }) => {
      return { items: [...(await conductor.historyOf(known(params), query.limit))] }
    },
  }
}

/** The request is written down before its task is: a task that is answered is of work that goes on
 *  whatever happens. */
async function begun(
  { chassis, conductor, changes, once }: ChassisCallGrounds,
  call: Call,
  verb: string,
  request: LifeRequest,
): Promise<Task> {
  const name = nameOf(call.params)
  return await once(call, async (remembered) => {
    chassis(name)
    await conductor.request(name, request)
    return await changes.begun(verb, { kind: 'Chassis', name }, remembered)
  })
}

function nameOf(params: Call['params']): string {
  return params.name ?? ''
}

/** What goes on sets the boot device by itself. */
function refuseUnderWay(grounds: ChassisCallGrounds, name: string, what: string): void {
  const life = grounds.conductor.lifeOf(name)
  if (life === undefined || life.deadlineAtMs === undefined) return
  const message = `chassis ${name} is ${life.state}, which sets ${what} by itself; cancel it or wait until it is at rest`
  throw new PurlinError('PUR_LIFE_REFUSED', { message, context: { state: life.state } })
}

function bootAnswerOf(found: Awaited<ReturnType<Bmc['bootDevice']>>): BootAnswer {
  return { ...found }
}

/** A report by its number, or `latest`. Errors: PUR_RESOURCE_MISSING. */
function reportNumber(name: string, word: string): number | 'latest' {
  if (word === 'latest') return word
  if (/^\d{1,10}$/.test(word)) return Number(word)
  const message = `report ${word} of chassis ${name}: reports have numbers, or are asked for as latest`
  throw new PurlinError('PUR_RESOURCE_MISSING', { message })
}

async function sendConsole(
  grounds: ChassisCallGrounds,
  { params, query, signal, reply }: Call<{ tailBytes: number; follow: 'true' | 'false' }>,
): Promise<undefined> {
  const name = nameOf(params)
  if (grounds.chassis(name).spec.bmc.protocol === 'redfish') {
    const message = `chassis ${name}: Redfish defines no serial console; nothing is recorded of it`
    throw new PurlinError('PUR_BMC_UNSUPPORTED', { message })
  }
  const options = { tailBytes: query.tailBytes, follow: query.follow === 'true' }
  const events = grounds.conductor.console(name, options, signal)
  reply.hijack()
  reply.raw.writeHead(200, {
    'content-type': 'application/x-ndjson',
    'cache-control': 'no-store',
  })
  await writeConsole(reply.raw, events, grounds.nowMs)
  return undefined
}
