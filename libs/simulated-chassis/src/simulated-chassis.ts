import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { access, copyFile, mkdir, readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { PurlinError, run, systemClock } from '@purlin/base'
import { writeBmcFiles } from './bmc-files.ts'
import { type ControlRequest, listenForControl } from './control.ts'
import { diskFile, FACTORY_VARIABLES, variablesOf } from './machine.ts'
import { type MachineEnd, MachineProcess } from './machine-process.ts'
import { type ChassisOptions, type Faults, noFaults } from './options.ts'
import { SerialLine } from './serial-line.ts'
import { endProcess, spawnTied } from './tied-process.ts'

const START_TIMEOUT_MS = 30_000
const POLL_MS = 20
const DISK_TIMEOUT_MS = 60_000
const EVENTS_MAX = 1_000
/** Below the range of the kernel's own choice (net.ipv4.ip_local_port_range). */
const FIRST_PORT = 20_000
const LAST_PORT = 29_999

export interface ChassisEvent {
  readonly atMs: number
  readonly what: string
}

/** A bare metal chassis: a real IPMI 2.0 BMC (ipmi_sim) whose power is a real machine (QEMU without
 *  hardware virtualization), in the network namespace of this process. Everything it starts ends
 *  with `close()`, and with this process however that ends. */
export class SimulatedChassis {
  readonly options: ChassisOptions
  readonly faults: Faults = noFaults()
  readonly #inBandPort: number
  readonly #events: ChassisEvent[] = []
  #serial: SerialLine | undefined
  #control: Server | undefined
  #bmcArguments: readonly string[] = []
  #bmc: ChildProcess | undefined
  #on = false
  #bootDevice = 'none'
  #machine: MachineProcess | undefined
  #changes: Promise<void> = Promise.resolve()
  #closed = false
  #answers = 0

  private constructor(options: ChassisOptions, inBandPort: number) {
    this.options = options
    this.#inBandPort = inBandPort
  }

  /** Makes the chassis, its power off. Errors: PUR_CHASSIS_NOT_UP when the BMC does not answer,
   *  PUR_EXEC_NOT_FOUND and PUR_EXEC_FAILED when a disk cannot be made. */
  static async start(options: ChassisOptions): Promise<SimulatedChassis> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 })
    if (options.machine !== false) await makeStorage(options)
    const chassis = new SimulatedChassis(options, await freePort())
    try {
      await chassis.#open()
      return chassis
    } catch (thrown) {
      await chassis.close()
      throw thrown
    }
  }

  /** What is true of the power, whatever the BMC reports. */
  get power(): 'on' | 'off' {
    return this.#on ? 'on' : 'off'
  }

  /** What happened, in its order; the first thousand. */
  get events(): readonly ChassisEvent[] {
    return this.#events
  }

  /** How often the BMC asked for the state of the chassis. */
  get answers(): number {
    return this.#answers
  }

  /** The end of what the machine printed; the whole is in `console.log` of its folder. */
  get consoleTail(): string {
    return this.#serial?.tail ?? ''
  }

  /** Prints on the serial line as the machine would. */
  print(text: string): void {
    this.#serial?.print(Buffer.from(text))
  }

  /** Whether the BMC listens to the serial line. */
  get serialConnected(): boolean {
    return this.#serial?.connected === true
  }

  /** Pulls the plug: nothing that the machine holds in memory is written. The BMC lives on. */
  cutPower(): void {
    this.#note('power cut')
    this.#powerOff()
  }

  /** Stops the BMC's process or lets it go on: it takes packets and answers none. */
  hangBmc(hanging: boolean): void {
    this.#bmc?.kill(hanging ? 'SIGSTOP' : 'SIGCONT')
  }

  /** Takes the BMC away; the machine goes on as it is. */
  async stopBmc(): Promise<void> {
    if (this.#bmc !== undefined) await endProcess(this.#bmc)
    this.#bmc = undefined
  }

  /** Brings the BMC back. Errors: PUR_CHASSIS_NOT_UP. */
  async startBmc(): Promise<void> {
    const log = join(this.options.folder, 'bmc.log')
    this.#bmc = spawnTied('ipmi_sim', this.#bmcArguments, log)
    await this.#untilBmcListens(this.#bmc, log)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#on = false
    this.#machine?.cut()
    await this.#changes
    await this.#machine?.ended
    await this.stopBmc()
    this.#control?.close()
    await this.#serial?.close()
  }

  async #open(): Promise<void> {
    const { folder } = this.options
    const log = join(folder, 'console.log')
    this.#serial = await SerialLine.open(log, (bytes) => this.#machine?.type(bytes))
    const { port, server } = await listenForControl((request) => this.#answer(request))
    this.#control = server
    this.#bmcArguments = await writeBmcFiles(this.options, {
      controlPort: port,
      serialPort: this.#serial.port,
      inBandPort: this.#inBandPort,
    })
    await this.startBmc()
  }

  async #untilBmcListens(bmc: ChildProcess, log: string): Promise<void> {
    const entry = `:${this.options.ipmiPort.toString(16).toUpperCase().padStart(4, '0')} `
    const untilMs = systemClock.monotonicMs() + START_TIMEOUT_MS
    while (!(await readFile('/proc/net/udp', 'utf8')).includes(entry)) {
      const ended = bmc.exitCode !== null || bmc.pid === undefined
      if (ended || systemClock.monotonicMs() > untilMs) {
        const said = (await readFile(log, 'utf8').catch(() => '')).trim().slice(-400)
        const found = ended ? `ipmi_sim ended: ${said}` : `not within ${START_TIMEOUT_MS} ms`
        throw new PurlinError('PUR_CHASSIS_NOT_UP', {
          message: `the BMC of the simulated chassis ${this.options.name} does not listen at UDP port ${this.options.ipmiPort}: ${found}; the Debian packages openipmi and util-linux carry what it needs`,
        })
      }
      await systemClock.sleep(POLL_MS)
    }
  }

  async #answer(request: ControlRequest): Promise<string> {
    if (this.faults.slowMs > 0) await systemClock.sleep(this.faults.slowMs)
    if (request.verb === 'get') {
      this.#answers++
      return request.names.map((name) => `${name}:${this.#valueOf(name)}\n`).join('')
    }
    for (const [name, value] of request.settings) this.#set(name, value)
    return ''
  }

  #valueOf(name: string): string {
    if (name === 'power') return (this.faults.reportedPower ?? this.power) === 'on' ? '1' : '0'
    return name === 'boot' ? this.#bootDevice : '0'
  }

  #set(name: string, value: string): void {
    this.#note(`${name} ${value}`)
    if (name === 'boot') this.#bootDevice = value
    else if (name === 'shutdown') this.#softOff()
    else if (this.faults.ignoresPower) return
    else if (name === 'power' && value === '1') this.#powerOn()
    else if (name === 'power') this.#powerOff()
    else if (name === 'reset') this.#reset()
  }

  #powerOn(): void {
    if (this.#on || this.#closed) return
    this.#on = true
    this.#startMachine()
  }

  #powerOff(): void {
    this.#on = false
    this.#machine?.cut()
  }

  #softOff(): void {
    if (this.faults.ignoresSoftOff) return
    if (this.options.machine === false) this.#on = false
    else this.#machine?.pressPower()
  }

  #reset(): void {
    this.#machine?.reset()
  }

  /** The machine before must be gone first: taps and disks have one user. */
  #startMachine(): void {
    const networkFirst = this.#bootDevice === 'pxe' && !this.faults.ignoresBootDevice
    if (!this.faults.keepsBootDevice) this.#bootDevice = 'none'
    this.#note(`start, ${networkFirst ? 'network' : 'disk'} first`)
    if (this.options.machine === false) return
    this.#changes = this.#changes
      .then(() => this.#replaceMachine(networkFirst))
      .catch((thrown: unknown) => {
        this.#on = false
        this.#note(`no machine: ${thrown}`)
      })
  }

  async #replaceMachine(networkFirst: boolean): Promise<void> {
    await this.#machine?.ended
    if (!this.#on) return
    const machine = await MachineProcess.start({
      options: this.options,
      inBandPort: this.#inBandPort,
      networkFirst,
      print: (bytes) => this.#serial?.print(bytes),
    })
    this.#machine = machine
    void machine.ended.then((end) => this.#machineEnded(machine, end))
    // The power went while it started.
    if (!this.#on) machine.cut()
  }

  #machineEnded(machine: MachineProcess, end: MachineEnd): void {
    this.#note(`machine ended: ${end}`)
    if (machine !== this.#machine) return
    this.#machine = undefined
    if (end === 'restart' && this.#on) this.#startMachine()
    else if (end !== 'cut') this.#on = false
  }

  #note(what: string): void {
    if (this.#events.length < EVENTS_MAX) this.#events.push({ atMs: systemClock.nowMs(), what })
  }
}

async function makeStorage({ folder, disks, firmware }: ChassisOptions): Promise<void> {
  for (const [index, { sizeGiB }] of disks.entries()) {
    const file = diskFile(folder, index)
    if (await exists(file)) continue
    const words = ['create', '-q', '-f', 'qcow2', '-o', 'lazy_refcounts=on', file, `${sizeGiB}G`]
    await run('qemu-img', words, { timeoutMs: DISK_TIMEOUT_MS })
  }
  if (firmware === 'uefi' && !(await exists(variablesOf(folder)))) {
    await copyFile(FACTORY_VARIABLES, variablesOf(folder))
  }
}

async function exists(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  )
}

let nextPort = FIRST_PORT

/** A TCP port of this network namespace that nobody listens at, and that no connection is given by
 *  the kernel either; each is given once. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort++
    if (nextPort > LAST_PORT) nextPort = FIRST_PORT
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
