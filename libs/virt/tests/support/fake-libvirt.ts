import { PurlinError } from '@purlin/base'
import {
  type DomainRecord,
  type LibvirtEvent,
  type LibvirtPort,
  type LifecycleEvent,
  readDomain,
} from '../../src/index.ts'
import {
  started as running,
  withDevice,
  withMark,
  withMemory,
  withoutDevice,
} from './fake-devices.ts'

interface FakeDomain {
  uuid: string
  state: number
  reason?: number
  id: number | undefined
  xml: string
  inactiveXml: string
  persistent: boolean
  /** State of the domain when its memory was saved. */
  savedIn?: number | undefined
}

export interface FakeLibvirt {
  readonly port: LibvirtPort
  readonly domains: Map<string, FakeDomain>
  /** The calls that change something, in order. */
  readonly calls: string[]
  /** Answers of the guest agent by command; a function may throw. */
  agent: (command: { execute: string; arguments?: Record<string, unknown> }) => unknown
  /** Whether a guest that is asked to power off does so. */
  obedient: boolean
  /** Whether a guest that is asked for a device lets go of it. */
  yielding: boolean
  /** What guests see of their disks, by `MACHINE TARGET`. */
  readonly diskBytes: Map<string, number>
  emit(event: LibvirtEvent): void
  /** Adds a domain by its XML, active or not. */
  add(xml: string, active?: boolean): void
}

const RUNNING = 1
const PAUSED = 3
const STOPPED_SAVED = 4
const OFF = 5

/** libvirt in memory: enough of a QEMU driver for plans and steps to be executed. */
export function createFakeLibvirt(): FakeLibvirt {
  const listeners = new Set<(event: LibvirtEvent) => void>()
  const domains = new Map<string, FakeDomain>()
  const calls: string[] = []
  let nextId = 1

  const emit = (event: LibvirtEvent): void => {
    for (const listener of listeners) listener(event)
  }
  const lifecycle = (domain: string, event: LifecycleEvent, detail = 0): void => {
    const uuid = domains.get(domain)?.uuid ?? ''
    emit({ kind: 'lifecycle', domain, uuid, event, detail })
  }
  const find = (name: string): FakeDomain => {
    const domain = domains.get(name)
    if (domain !== undefined) return domain
    throw new PurlinError('PUR_VIRT_NO_DOMAIN', { message: `no domain ${name}` })
  }
  const refuse = (why: string): never => {
    throw new PurlinError('PUR_VIRT_REFUSED', { message: why })
  }
  const record = (name: string): DomainRecord => {
    const { uuid, state, reason = 0, id, xml, inactiveXml, persistent, savedIn } = find(name)
    const active = id !== undefined
    return {
      name,
      uuid,
      state,
      reason,
      persistent,
      autostart: false,
      managedSave: savedIn !== undefined,
      xml: active ? xml : inactiveXml,
      ...(active && { id }),
      ...(active && persistent && { inactiveXml }),
    }
  }
  const powerOff = (name: string): void => {
    const domain = find(name)
    domain.state = OFF
    domain.id = undefined
    if (!domain.persistent) domains.delete(name)
    lifecycle(name, 'stopped')
  }
  const define = (xml: string): string => {
    const reading = readDomain(xml)
    if (reading === undefined) {
      throw new PurlinError('PUR_VIRT_FAILED', { message: 'this is no domain XML' })
    }
    const { name, uuid } = reading
    const present = domains.get(name)
    if (present !== undefined && present.uuid !== uuid) {
      throw new PurlinError('PUR_VIRT_DOMAIN_EXISTS', { message: `${name} exists already` })
    }
    const kept = present ?? { uuid, state: OFF, id: undefined, xml }
    domains.set(name, { ...kept, inactiveXml: xml, persistent: true })
    return name
  }
  const start = (name: string, paused = false): void => {
    const domain = find(name)
    if (domain.id !== undefined) refuse(`${name} is active already`)
    if (domain.savedIn === undefined) domain.xml = running(domain.inactiveXml)
    domain.id = nextId++
    domain.state = paused ? PAUSED : RUNNING
    domain.savedIn = undefined
    lifecycle(name, paused ? 'suspended' : 'resumed')
    lifecycle(name, 'started')
  }
  const save = (name: string): void => {
    const domain = find(name)
    if (domain.id === undefined) refuse(`${name} is off`)
    domain.savedIn = domain.state
    domain.state = OFF
    domain.id = undefined
    lifecycle(name, 'stopped', STOPPED_SAVED)
  }
  const setState = (name: string, from: number, to: number, event: LifecycleEvent): void => {
    const domain = find(name)
    if (domain.state !== from) refuse(`${name} is in state ${domain.state}`)
    domain.state = to
    lifecycle(name, event)
  }
  const change = async (call: string, work: () => void): Promise<void> => {
    calls.push(call)
    work()
  }

  const fake: FakeLibvirt = {
    domains,
    calls,
    obedient: true,
    yielding: true,
    diskBytes: new Map(),
    agent: () => ({}),
    emit,
    add: (xml, active = false) => {
      const name = define(xml)
      if (active) start(name)
    },
    port: {
      state: () => ({ connection: 'connected', uri: 'fake:///', ageMs: 0 }),
      onEvent: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      close: () => listeners.clear(),
      versions: async () => ({ library: '9.0.0', daemon: '9.0.0', hypervisor: '7.2.0' }),
      hostname: async () => 'fake',
      capabilities: async () => '<capabilities/>',
      hostResources: async () => ({
        model: 'x86_64',
        memoryKib: 1,
        cpus: 1,
        frequencyMhz: 0,
        numaNodes: 1,
        sockets: 1,
        cores: 1,
        threads: 1,
      }),
      listDomains: async () => [...domains.keys()].map(record),
      statistics: async () => [],
      domain: async (name) => record(name),
      domainXml: async (name) => record(name).xml,
      defineXml: (xml) => change(`define ${readDomain(xml)?.name}`, () => define(xml)),
      start: (name, { paused }) => change(`start ${name}`, () => start(name, paused)),
      restore: (name, { paused }) => change(`restore ${name}`, () => start(name, paused)),
      save: (name) => change(`save ${name}`, () => save(name)),
      snapshot: (name) =>
        change(`snapshot ${name}`, () => {
          if (find(name).id === undefined) refuse(`${name} is off`)
        }),
      restoreFile: (file, { paused }) =>
        change(`restore-file ${file}`, () => {
          const [name = ''] = (file.split('/').at(-1) ?? '').split('.')
          start(name, paused)
        }),
      discardSave: (name) =>
        change(`discard ${name}`, () => {
          find(name).savedIn = undefined
        }),
      shutdown: (name) =>
        change(`shutdown ${name}`, () => {
          if (find(name).id === undefined) refuse(`${name} is off`)
          if (fake.obedient) powerOff(name)
        }),
      reboot: (name) => change(`reboot ${name}`, () => find(name)),
      reset: (name) => change(`reset ${name}`, () => find(name)),
      destroy: (name) =>
        change(`destroy ${name}`, () => {
          if (find(name).id === undefined) refuse(`${name} is off`)
          powerOff(name)
        }),
      suspend: (name) => change(`suspend ${name}`, () => setState(name, 1, 3, 'suspended')),
      resume: (name) => change(`resume ${name}`, () => setState(name, 3, 1, 'resumed')),
      wakeup: (name) => change(`wakeup ${name}`, () => setState(name, 7, 1, 'started')),
      undefine: (name) =>
        change(`undefine ${name}`, () => {
          const domain = find(name)
          if (domain.id === undefined) domains.delete(name)
          else domain.persistent = false
          lifecycle(name, 'undefined')
        }),
      diskBytes: async (name, target) => fake.diskBytes.get(`${name} ${target}`) ?? 0,
      resizeDisk: (name, target, sizeBytes) =>
        change(`resize ${name} ${target}`, () =>
          fake.diskBytes.set(`${name} ${target}`, sizeBytes),
        ),
      openGraphics: async (name) => refuse(`${name} has no screen here`),
      attachDevice: (name, xml) =>
        change(`attach ${name} ${/dev="([^"]+)"/.exec(xml)?.[1]}`, () => {
          find(name).xml = withDevice(find(name).xml, xml)
        }),
      detachDevice: (name, alias) =>
        change(`detach ${name} ${alias}`, () => {
          const domain = find(name)
          if (!fake.yielding) return
          domain.xml = withoutDevice(domain.xml, alias)
          const { uuid } = domain
          emit({ kind: 'device', domain: name, uuid, device: alias, event: 'removed' })
        }),
      updateDevice: (name, xml) =>
        change(`update ${name}`, () => {
          find(name).xml = withMemory(find(name).xml, xml)
        }),
      setCpus: (name, count) =>
        change(`cpus ${name} ${count}`, () => {
          const domain = find(name)
          domain.xml = domain.xml.replace(/<vcpu current="\d+"/, `<vcpu current="${count}"`)
        }),
      setMemory: (name, memoryMiB) =>
        change(`memory ${name} ${memoryMiB}`, () => {
          const current = `<currentMemory unit="MiB">${memoryMiB}</currentMemory>`
          const domain = find(name)
          domain.xml = domain.xml
            .replace(/<currentMemory[\s\S]*?<\/currentMemory>/, '')
            .replace('<memory ', `${current}<memory `)
        }),
      setDiskLimits: (name, target, limits) =>
        change(`limit ${name} ${target}`, () => {
          const words = Object.entries(limits).map(([word, value]) => `<${word}>${value}</${word}>`)
          const domain = find(name)
          domain.xml = domain.xml.replaceAll(/<disk [\s\S]*?<\/disk>/g, (disk) => {
            if (!disk.includes(`dev="${target}"`)) return disk
            const rest = disk.replace(/<iotune>[\s\S]*<\/iotune>/, '')
            return rest.replace('</disk>', `<iotune>${words.join('')}</iotune></disk>`)
          })
        }),
      setMetadata: (name, { xml }, { inactive = false }) =>
        change(`mark ${name}`, () => {
          const domain = find(name)
          if (inactive) domain.inactiveXml = withMark(domain.inactiveXml, xml)
          else domain.xml = withMark(domain.xml, xml)
        }),
      agentCommand: async (_name, command) =>
        JSON.stringify({ return: fake.agent(JSON.parse(command)) }),
    },
  }
  return fake
}
