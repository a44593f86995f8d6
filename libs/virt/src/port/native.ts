import { type Clock, PurlinError, systemClock } from '@purlin/base'
import { type Addon, type AddonConnection, loadAddon } from './addon.ts'
import { ConnectionKeeper } from './connection-keeper.ts'
import type { LibvirtEvent } from './event.ts'
import { errorOfFailure } from './failure.ts'
import type { CallOptions, LibvirtPort } from './libvirt-port.ts'
import { type DeviceCalls, deviceCalls } from './native-devices.ts'

export interface NativeLibvirtOptions {
  /** libvirt URI, such as `qemu:///system` or `qemu+unix:///system?socket=/run/x/libvirt-sock`. */
  readonly uri: string
  readonly readonly?: boolean
  readonly addon?: Addon
  readonly clock?: Clock
  /** An attempt to open is given up after this time. Default 5000. */
  readonly openDeadlineMs?: number
  /** Calls on a hung daemon fail after about interval x count. Default 2 s x 3. */
  readonly keepAlive?: { readonly intervalSeconds: number; readonly count: number }
  /** Connections for guest agents beside the one for control: so many guests may keep a call
   *  waiting at a time, while the others' calls go on. Default 2. */
  readonly agentConnections?: number
  /** Pauses between attempts to open. Default 100 ms to 5 s. */
  readonly backoff?: { readonly firstMs: number; readonly longestMs: number }
  /** Default 2000. */
  readonly probeDeadlineMs?: number
}

/** Opens libvirt by the official library and keeps the connection open. Returns at once: the first
 *  call waits for the connection. Errors of the calls: see LibvirtPort; loading:
 *  PUR_NATIVE_MISSING. */
export function createNativeLibvirt(options: NativeLibvirtOptions): LibvirtPort {
  const listeners = new Set<(event: LibvirtEvent) => void>()
  const keeper = new ConnectionKeeper({
    addon: options.addon ?? loadAddon(),
    clock: options.clock ?? systemClock,
    backoff: options.backoff ?? { firstMs: 100, longestMs: 5_000 },
    probeDeadlineMs: options.probeDeadlineMs ?? 2_000,
    emit: (event) => {
      for (const listener of listeners) listener(event)
    },
    open: {
      uri: options.uri,
      readonly: options.readonly ?? false,
      deadlineMs: options.openDeadlineMs ?? 5_000,
      keepAliveIntervalSeconds: options.keepAlive?.intervalSeconds ?? 2,
      keepAliveCount: options.keepAlive?.count ?? 3,
      agentConnections: options.agentConnections ?? 2,
    },
  })
  const call: Call = (tried, options_, work) =>
    callOn(keeper, options.clock ?? systemClock, tried, options_, work)
  return {
    state: () => keeper.state(),
    onEvent: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () => keeper.close(),
    ...hostCalls(call),
    ...domainCalls(call),
    ...deviceCalls(call),
  }
}

/** One call on the connection: what was tried, its deadline, the work. */
export type Call = <Value>(
  tried: string,
  options: CallOptions,
  work: (connection: AddonConnection, deadlineMs: number) => Promise<Value>,
) => Promise<Value>

type HostCalls = Pick<
  LibvirtPort,
  'versions' | 'hostname' | 'capabilities' | 'hostResources' | 'listDomains' | 'statistics'
>

function hostCalls(call: Call): HostCalls {
  return {
    versions: async (options) => {
      const numbers = await call('asking for versions', options, (on, ms) => on.versions(ms))
      const { library, daemon, hypervisor } = numbers
      return {
        library: versionText(library),
        daemon: versionText(daemon),
        hypervisor: versionText(hypervisor),
      }
    },
    hostname: (options) => call('asking for the host name', options, (on, ms) => on.hostname(ms)),
    capabilities: (options) =>
      call('asking for capabilities', options, (on, ms) => on.capabilities(ms)),
    hostResources: (options) =>
      call('asking for the node', options, (on, ms) => on.hostResources(ms)),
    listDomains: (options) => call('listing domains', options, (on, ms) => on.listDomains(ms)),
    statistics: async (options) => {
      const all = await call('reading statistics', options, (on, ms) => on.statistics(ms))
      return all.map(({ domain, fields }) => ({
        domain,
        values: Object.fromEntries(
          fields.map((field) => [field.name, field.number ?? field.text ?? '']),
        ),
      }))
    },
  }
}

type DomainCalls = Omit<
  LibvirtPort,
  keyof HostCalls | keyof DeviceCalls | 'state' | 'onEvent' | 'close'
>

function domainCalls(call: Call): DomainCalls {
  return {
    domain: (name, options) =>
      call(`reading domain ${name}`, options, (on, ms) => on.domain(name, ms)),
    domainXml: (name, options) =>
      call(`reading the XML of domain ${name}`, options, (on, ms) =>
        on.domainXml(name, options.inactive ?? false, ms),
      ),
    defineXml: (xml, options) =>
      call('defining a domain', options, (on, ms) => on.defineXml(xml, ms)),
    start: (name, options) =>
      call(`starting domain ${name}`, options, (on, ms) =>
        on.start(name, options.paused ?? false, ms),
      ),
    restore: (name, options) =>
      call(`restoring domain ${name}`, options, (on, ms) =>
        on.restore(name, options.paused ?? false, ms),
      ),
    save: (name, options) =>
      call(`saving the memory of domain ${name}`, options, (on, ms) => on.save(name, ms)),
    snapshot: (name, xml, options) =>
      call(`keeping the memory of domain ${name}`, options, (on, ms) => on.snapshot(name, xml, ms)),
    restoreFile: (file, options) =>
      call(`starting a domain with the memory in ${file}`, options, (on, ms) =>
        on.restoreFile(file, options.paused ?? false, ms),
      ),
    discardSave: (name, options) =>
      call(`throwing the saved memory of domain ${name} away`, options, (on, ms) =>
        on.discardSave(name, ms),
      ),
    shutdown: (name, options) =>
      call(`asking domain ${name} to power off`, options, (on, ms) =>
        on.shutdown(name, options.by === 'agent', ms),
      ),
    reboot: (name, options) =>
      call(`asking domain ${name} to reboot`, options, (on, ms) =>
        on.reboot(name, options.by === 'agent', ms),
      ),
    reset: (name, options) =>
      call(`resetting domain ${name}`, options, (on, ms) => on.reset(name, ms)),
    destroy: (name, options) =>
      call(`destroying domain ${name}`, options, (on, ms) =>
        on.destroy(name, options.graceful ?? false, ms),
      ),
    suspend: (name, options) =>
      call(`suspending domain ${name}`, options, (on, ms) => on.suspend(name, ms)),
    resume: (name, options) =>
      call(`resuming domain ${name}`, options, (on, ms) => on.resume(name, ms)),
    wakeup: (name, options) =>
      call(`waking domain ${name}`, options, (on, ms) => on.wakeup(name, ms)),
    undefine: (name, options) =>
      call(`undefining domain ${name}`, options, (on, ms) => on.undefine(name, ms)),
    diskBytes: (name, target, options) =>
      call(`reading the size of disk ${target} of domain ${name}`, options, (on, ms) =>
        on.diskBytes(name, target, ms),
      ),
    resizeDisk: (name, target, sizeBytes, options) =>
      call(`telling domain ${name} the size of its disk ${target}`, options, (on, ms) =>
        on.resizeDisk(name, target, sizeBytes, ms),
      ),
    openGraphics: (name, options) =>
      call(`opening the screen of domain ${name}`, options, (on, ms) => on.openGraphics(name, ms)),
    agentCommand: (name, command, options) =>
      call(`asking the guest agent of ${name}`, options, (on, ms) =>
        on.agentCommand(name, command, options.timeoutSeconds, ms),
      ),
  }
}

async function callOn<Value>(
  keeper: ConnectionKeeper,
  clock: Clock,
  tried: string,
  options: CallOptions,
  work: (connection: AddonConnection, deadlineMs: number) => Promise<Value>,
): Promise<Value> {
  if (options.signal?.aborted) throw cancelled(tried)
  const begunMs = clock.monotonicMs()
  const connection = await keeper.connection(tried, options)
  const leftMs = Math.max(1, Math.floor(options.deadlineMs - (clock.monotonicMs() - begunMs)))
  try {
    return await abandonable(tried, work(connection, leftMs), options.signal)
  } catch (thrown) {
    const error = errorOfFailure(thrown, tried)
    if (error.code === 'PUR_VIRT_TIMEOUT') keeper.suspect(connection)
    if (error.code === 'PUR_VIRT_UNREACHABLE' && !(await stillOpen(connection))) {
      keeper.lost(connection, error.message)
    }
    throw error
  }
}

/** libvirt's own view, which costs no message. */
async function stillOpen(connection: AddonConnection): Promise<boolean> {
  try {
    return await connection.isAlive(1_000)
  } catch {
    return false
  }
}

/** The promise, or PUR_CANCELLED as soon as the signal says so; the call itself cannot be called
 *  back. */
async function abandonable<Value>(
  tried: string,
  work: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (signal === undefined) return await work
  const stop = Promise.withResolvers<never>()
  const abort = (): void => stop.reject(cancelled(tried))
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, stop.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function cancelled(tried: string): PurlinError {
  return new PurlinError('PUR_CANCELLED', { message: `${tried}: given up by the caller` })
}

function versionText(version: number): string {
  return [
    Math.floor(version / 1_000_000),
    Math.floor(version / 1_000) % 1_000,
    version % 1_000,
  ].join('.')
}
