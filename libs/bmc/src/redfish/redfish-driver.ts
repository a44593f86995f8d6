import type { PurlinError } from '@purlin/base'
import type {
  BmcEvent,
  BootDevice,
  BootRequest,
  FieldUnit,
  Hardware,
  Identity,
  PowerState,
  Sensor,
} from '../bmc.ts'
import { bmcError } from '../bmc-error.ts'
import type { BmcDriver, PowerAction } from '../driver.ts'
import type { RedfishAnswer, RedfishConnection } from './connection.ts'
import { readEntries, readFieldUnit, readSensor, readSensors } from './read-chassis.ts'
import {
  bootOverride,
  readBootOverride,
  readPower,
  readRedfishHardware,
  readRedfishIdentity,
} from './read-system.ts'
import { fieldOf, linkOf, listOf, pathOf } from './resource.ts'

const LEAST_GAP_MS = 250
const CHASSIS_MAX = 8
const SENSOR_RESOURCES_MAX = 64
const ROOT = '/redfish/v1/Systems'

const RESET_TYPES = {
  on: 'On',
  off: 'ForceOff',
  soft: 'GracefulShutdown',
  reset: 'ForceRestart',
} as const satisfies Record<PowerAction, string>

/** A BMC over Redfish (DMTF DSP0266). */
export class RedfishDriver implements BmcDriver {
  readonly address: string
  readonly leastGapMs: number
  readonly #connection: RedfishConnection
  readonly #systemId: string | undefined
  #systemPath: string | undefined

  /** `systemId` is needed only for a BMC of several systems. */
  constructor(connection: RedfishConnection, systemId?: string, leastGapMs = LEAST_GAP_MS) {
    this.address = connection.subject.address
    this.leastGapMs = leastGapMs
    this.#connection = connection
    this.#systemId = systemId
  }

  async powerState(signal: AbortSignal): Promise<PowerState> {
    const { resource } = await this.#system('power status', signal)
    const state = readPower(resource)
    // While it changes, the state is the one that it leaves: no caller may take it for done.
    if (state !== 'changing') return state ?? this.#bad('power status', 'PowerState')
    return fieldOf(resource, 'PowerState') === 'PoweringOn' ? 'off' : 'on'
  }

  async control(action: PowerAction, signal: AbortSignal): Promise<void> {
    const what = `power ${action}`
    const { resource } = await this.#system(what, signal)
    const path = pathOf(fieldOf(resource, 'Actions', '#ComputerSystem.Reset', 'target'))
    if (path === undefined) this.#bad(what, 'the reset action')
    const body = { ResetType: RESET_TYPES[action] }
    await this.#connection.send({ method: 'POST', path, body, what, signal })
  }

  async readBoot(signal: AbortSignal): Promise<BootDevice> {
    const { resource } = await this.#system('boot device', signal)
    return readBootOverride(resource) ?? this.#bad('boot device', 'the boot override')
  }

  async writeBoot(request: BootRequest, signal: AbortSignal): Promise<void> {
    const what = `boot device ${request.device}`
    const { resource, etag } = await this.#system(what, signal)
    const body = bootOverride(request, resource)
    const path = this.#systemPath ?? this.#bad(what, 'the system')
    await this.#connection.send({ method: 'PATCH', path, body, ifMatch: etag, what, signal })
  }

  async sensors(signal: AbortSignal): Promise<readonly Sensor[]> {
    const sensors: Sensor[] = []
    for (const chassis of await this.#chassis('sensors', signal)) {
      const links = ['Thermal', 'Power'].flatMap((name) => linkOf(fieldOf(chassis, name)) ?? [])
      for (const link of links)
        sensors.push(...readSensors(await this.#get(link, 'sensors', signal)))
      const collection = linkOf(fieldOf(chassis, 'Sensors'))
      if (links.length > 0 || collection === undefined) continue
      const members = memberLinks(await this.#get(collection, 'sensors', signal))
      for (const link of members.slice(0, SENSOR_RESOURCES_MAX)) {
        sensors.push(...readSensor(await this.#get(link, 'sensors', signal)))
      }
    }
    return sensors
  }

  async fieldUnits(signal: AbortSignal): Promise<readonly FieldUnit[]> {
    const { resource } = await this.#system('fru', signal)
    const chassis = await this.#chassis('fru', signal)
    return [resource, ...chassis].flatMap(readFieldUnit)
  }

  async events(signal: AbortSignal): Promise<readonly BmcEvent[]> {
    const log = await this.#eventLog('event log', signal)
    const entries = linkOf(fieldOf(log, 'Entries')) ?? this.#bad('event log', 'its entries')
    return readEntries(await this.#get(entries, 'event log', signal))
  }

  async clearEvents(signal: AbortSignal): Promise<void> {
    const what = 'event log clear'
    const log = await this.#eventLog(what, signal)
    const path = pathOf(fieldOf(log, 'Actions', '#LogService.ClearLog', 'target'))
    if (path === undefined) throw this.#unsupported(what, 'its event log cannot be cleared')
    await this.#connection.send({ method: 'POST', path, body: {}, what, signal })
  }

  async hardware(signal: AbortSignal): Promise<Hardware> {
    const { resource } = await this.#system('hardware', signal)
    return readRedfishHardware(resource, await this.#manager(resource, 'hardware', signal))
  }

  async identity(signal: AbortSignal): Promise<Identity> {
    const { resource } = await this.#system('identity', signal)
    return readRedfishIdentity(resource, await this.#chassis('identity', signal))
  }

  /** The system of this BMC, found once. */
  async #system(what: string, signal: AbortSignal): Promise<RedfishAnswer> {
    this.#systemPath ??= await this.#findSystem(what, signal)
    return await this.#connection.send({ method: 'GET', path: this.#systemPath, what, signal })
  }

  async #findSystem(what: string, signal: AbortSignal): Promise<string> {
    const links = memberLinks(await this.#get(ROOT, what, signal))
    const named = (link: string): boolean => link.endsWith(`/${this.#systemId}`)
    const found = this.#systemId === undefined ? links : links.filter(named)
    if (found.length === 1 && found[0] !== undefined) return found[0]
    const ids = links.map((link) => link.split('/').at(-1)).join(', ')
    return this.#bad(what, `one system, it has ${links.length}: ${ids}`)
  }

  async #chassis(what: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const { resource } = await this.#system(what, signal)
    const links = listOf(fieldOf(resource, 'Links', 'Chassis'), CHASSIS_MAX)
    const chassis: unknown[] = []
    for (const link of links.flatMap((one) => linkOf(one) ?? [])) {
      chassis.push(await this.#get(link, what, signal))
    }
    return chassis
  }

  async #manager(system: unknown, what: string, signal: AbortSignal): Promise<unknown> {
    const [first] = listOf(fieldOf(system, 'Links', 'ManagedBy'), 1)
    const link = linkOf(first)
    return link === undefined ? undefined : await this.#get(link, what, signal)
  }

  /** The log of the system or of its BMC that holds events of the hardware. */
  async #eventLog(what: string, signal: AbortSignal): Promise<unknown> {
    const { resource: system } = await this.#system(what, signal)
    const manager = await this.#manager(system, what, signal)
    for (const owner of [system, manager]) {
      const services = linkOf(fieldOf(owner, 'LogServices'))
      if (services === undefined) continue
      const links = memberLinks(await this.#get(services, what, signal))
      const link = links.find((one) => /\/(sel|log|event)[^/]*\/?$/i.test(one)) ?? links[0]
      if (link !== undefined) return await this.#get(link, what, signal)
    }
    throw this.#unsupported(what, 'it has no event log')
  }

  async #get(path: string, what: string, signal: AbortSignal): Promise<unknown> {
    return (await this.#connection.send({ method: 'GET', path, what, signal })).resource
  }

  #unsupported(what: string, found: string): PurlinError {
    return bmcError('PUR_BMC_UNSUPPORTED', this.#connection.subject, what, found)
  }

  #bad(what: string, missed: string): never {
    const found = `its answer lacks ${missed}`
    throw bmcError('PUR_BMC_BAD_ANSWER', this.#connection.subject, what, found)
  }
}

function memberLinks(collection: unknown): readonly string[] {
  return listOf(fieldOf(collection, 'Members'), 1_024).flatMap((one) => linkOf(one) ?? [])
}
